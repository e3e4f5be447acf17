// cast: sending, calling, reading blocks, transactions, receipts, logs, storage and proofs, and raw requests.
import { accounts, artifact, deploy, fixTime, mined, record } from '../harness.mjs';
import { cast } from '../foundry.mjs';

await fixTime();
const key = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const ledger = await deploy('deploy', artifact('Ledger'), [1n]);
const to = ledger.address;
const receipt = (text) => {
  const { status, gasUsed, logs, contractAddress, type } = JSON.parse(text);
  return { status, gasUsed, contractAddress, type, logs: logs.map(({ address, topics, data }) => ({ address, topics, data })) };
};
const send = async (label, ...args) => record(label, receipt(await cast('send', '--json', '--private-key', key, ...args)));

await send('send', to, 'write(uint256,uint256,string)', '1', '10', 'by cast');
await send('send a legacy transaction', '--legacy', to, 'write(uint256,uint256,string)', '2', '20', 'legacy');
await send('send Ether', to, '--value', '1gwei');
await send('create', '--create', artifact('Batcher').bytecode);
// Before a slot is cleared: the reference node's tries keep slots that are zero.
const proof = JSON.parse(await cast('proof', to, '0x01'));
record('proof', [proof.storageHash, proof.codeHash, proof.balance, proof.storageProof]);
const unlocked = await cast('send', '--json', '--unlocked', '--from', accounts[1].address, to, 'clear(uint256)', '1');
record('send by an account of the node', receipt(unlocked));
record('call', await cast('call', to, 'writes()(uint256)'));
record('call at a block', await cast('call', '--block', '1', to, 'writes()(uint256)'));
record('call that fails', await cast('call', to, 'failWithReason()').catch(({ stderr }) => /as asked/.test(stderr)));
record('estimate', Number(await cast('estimate', to, 'write(uint256,uint256,string)', '1', '10', 'x', '--from', accounts[0].address)) > 21_000);
const block = JSON.parse(await cast('block', '--json', '2'));
record('block', [block.number, block.timestamp, block.gasUsed, block.transactions.length]);
record('age', await cast('block-number'));
record('field of a block', await cast('block', 'latest', '--field', 'timestamp'));
const transaction = JSON.parse(await cast('tx', '--json', block.transactions[0]));
record('transaction', [transaction.type, transaction.nonce, transaction.input, transaction.from, transaction.chainId]);
record('receipt', receipt(await cast('receipt', '--json', block.transactions[0])));
const logs = JSON.parse(await cast('logs', '--json', '--from-block', '0', '--address', to, 'Written(address indexed,uint256 indexed,uint256,string)'));
record('logs', logs.map(({ topics, data, blockNumber }) => [topics, data, blockNumber]));
record('storage', await cast('storage', to, '1'));
record('code', (await cast('code', to)).length);
record('nonce', await cast('nonce', accounts[0].address));
record('balance', await cast('balance', to));
record('chain', [await cast('chain-id'), await cast('rpc', 'eth_chainId'), await cast('rpc', 'net_version')]);
record('raw request', JSON.parse(await cast('rpc', 'eth_getBlockByNumber', '0x1', 'false')).gasUsed);
record('access list', JSON.parse(await cast('access-list', '--json', to, 'write(uint256,uint256,string)', '1', '10', 'x', '--from', accounts[0].address)).accessList);
record('client', (await cast('client')).length > 0);
record('gas price', Number(await cast('gas-price')) > 0);
const trace = await cast('run', '--quick', block.transactions[0]);
record('a transaction run again by cast', /Written/.test(trace) || trace.split('\n').length > 3);
await mined('the node is as it was', await ledger.write.write([5n, 50n, 'last']));
