// EIP-7702: an account delegates to a contract, runs a batch as itself, and takes the delegation back.
import { encodeFunctionData, getContract, parseEther } from 'viem';
import { accounts, artifact, deploy, fails, fixTime, mined, node, record, wallet } from '../harness.mjs';

const [alice, bob, carol, dave] = accounts;
await fixTime();
const batcherArtifact = artifact('Batcher');
const batcher = await deploy('deploy the batcher', batcherArtifact);
const ledger = await deploy('deploy the ledger', artifact('Ledger'), [1n]);

const client = wallet(bob);
const run = (calls) => encodeFunctionData({ abi: batcher.abi, functionName: 'run', args: [calls] });
const write = (value) => encodeFunctionData({ abi: ledger.abi, functionName: 'write', args: [9n, value, 'delegated'] });
const calls = [
  { to: ledger.address, value: 0n, data: write(77n) },
  { to: dave.address, value: parseEther('1'), data: '0x' },
];
const own = await client.signAuthorization({ contractAddress: batcher.address, executor: 'self' });
await mined('delegate and run', await client.sendTransaction({ to: bob.address, data: run(calls), authorizationList: [own] }));
record('code', await node.getCode({ address: bob.address }));
const account = getContract({ address: bob.address, abi: batcher.abi, client: { public: node, wallet: client } });
record('runs', await account.read.runs());
record('written', await ledger.read.numbers([bob.address, 9n]));
await fails('a stranger runs it', account.simulate.run([calls], { account: carol }));

const sponsored = await wallet(carol).signAuthorization({ contractAddress: batcher.address });
await mined('delegated by another', await wallet(alice).sendTransaction({
  to: carol.address, value: 5n, authorizationList: [sponsored],
}));
const stale = await wallet(dave).signAuthorization({ contractAddress: batcher.address, nonce: 5 });
await mined('an authorization with a wrong nonce', await wallet(alice).sendTransaction({
  to: dave.address, authorizationList: [stale], gas: 100_000n,
}));
record('no code', (await node.getCode({ address: dave.address })) ?? null);
await mined('run again', await client.sendTransaction({ to: bob.address, data: run(calls.slice(0, 1)) }));

const none = '0x0000000000000000000000000000000000000000';
const back = await client.signAuthorization({ contractAddress: none, executor: 'self' });
await mined('take it back', await client.sendTransaction({ to: bob.address, authorizationList: [back] }));
record('code after', (await node.getCode({ address: bob.address })) ?? null);
record('nonce after', await node.getTransactionCount({ address: bob.address }));
record('fails as a plain account', await node.call({ to: bob.address, data: run(calls) }).then(({ data }) => data ?? null));

const sent = await node.getBlock({ includeTransactions: true });
record('the authorization as the node tells it', sent.transactions[0].authorizationList);
