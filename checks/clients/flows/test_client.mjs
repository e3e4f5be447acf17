// Every action of viem's test client that changes the chain, and what is seen afterwards.
import { encodeFunctionData, pad, parseEther, toHex } from 'viem';
import { accounts, artifact, assert, cheats, deploy, fails, fixTime, mined, node, record, wallet } from '../harness.mjs';

const [alice, bob] = accounts;
await fixTime();
const ledger = await deploy('deploy', artifact('Ledger'), [1n]);
const write = (slot, value) => ledger.write.write([slot, value, 'x']);
const now = async () => (await node.getBlock()).timestamp;

const stranger = '0x000000000000000000000000000000000000beef';
await cheats.setBalance({ address: stranger, value: parseEther('7') });
record('setBalance', await node.getBalance({ address: stranger }));
await cheats.setNonce({ address: stranger, nonce: 9 });
record('setNonce', await node.getTransactionCount({ address: stranger }));
await cheats.impersonateAccount({ address: stranger });
await mined('impersonate', await wallet(stranger).sendTransaction({ account: stranger, to: bob.address, value: parseEther('1') }));
await cheats.stopImpersonatingAccount({ address: stranger });
await fails('no longer impersonated', wallet(stranger).sendTransaction({ account: stranger, to: bob.address, value: 1n }), () => ({ data: 'refused' }));

const place = '0x00000000000000000000000000000000000c0de5';
await cheats.setCode({ address: place, bytecode: await node.getCode({ address: ledger.address }) });
record('setCode', (await node.getCode({ address: place })) === (await node.getCode({ address: ledger.address })));
await cheats.setStorageAt({ address: place, index: 1, value: pad(toHex(123n)) });
record('setStorageAt', await node.readContract({ address: place, abi: ledger.abi, functionName: 'writes' }));
await mined('write to the placed code', await wallet(alice).writeContract({
  address: place, abi: ledger.abi, functionName: 'write', args: [3n, 4n, 'placed'],
}));
record('after it', await node.readContract({ address: place, abi: ledger.abi, functionName: 'writes' }));

const start = await node.getBlockNumber();
await cheats.mine({ blocks: 5 });
record('mine', (await node.getBlockNumber()) - start);
await cheats.removeBlockTimestampInterval();
const before = await now();
await cheats.mine({ blocks: 3, interval: 100 });
const last = await node.getBlock();
record('mine with an interval', last.timestamp - (await node.getBlock({ blockNumber: last.number - 1n })).timestamp);
await cheats.increaseTime({ seconds: 3600 });
await cheats.mine({ blocks: 1 });
record('increaseTime', (await now()) - before > 3600n);
await cheats.setNextBlockTimestamp({ timestamp: 4_100_000_000n });
await cheats.mine({ blocks: 1 });
record('setNextBlockTimestamp', await now());
await fails('a time in the past', cheats.setNextBlockTimestamp({ timestamp: 1n }), () => ({ data: 'refused' }));
await cheats.setBlockTimestampInterval({ interval: 7 });
await cheats.mine({ blocks: 2 });
record('setBlockTimestampInterval', await now());

const balance = await node.getBalance({ address: stranger });
const id = await cheats.snapshot();
await mined('written after the snapshot', await write(5n, 50n));
await cheats.setBalance({ address: stranger, value: 1n });
const nested = await cheats.snapshot();
await mined('written after the second', await write(5n, 51n));
await cheats.revert({ id: nested });
record('after reverting the second', await ledger.read.numbers([alice.address, 5n]));
await cheats.revert({ id });
record('after reverting the first', [
  await ledger.read.numbers([alice.address, 5n]), (await node.getBalance({ address: stranger })) === balance, await now(),
]);
await mined('written again', await write(5n, 52n));

await cheats.setAutomine(false);
record('getAutomine', await cheats.getAutomine());
const count = await node.getTransactionCount({ address: alice.address });
const hashes = [];
for (let i = 0; i < 3; i++) {
  const data = encodeFunctionData({ abi: ledger.abi, functionName: 'write', args: [6n, BigInt(i), 'waiting'] });
  hashes.push(await wallet(alice).sendTransaction({ to: ledger.address, data, gas: 200_000n, nonce: count + i }));
}
record('waiting', [
  (await node.getTransactionCount({ address: alice.address, blockTag: 'pending' })) - count,
  (await node.getBlock({ blockTag: 'pending', includeTransactions: true })).transactions.length,
  (await cheats.getTxpoolStatus()),
]);
await cheats.dropTransaction({ hash: hashes[2] });
record('after dropTransaction', await cheats.getTxpoolStatus());
await cheats.mine({ blocks: 1 });
for (const hash of hashes.slice(0, 2)) await mined('mined by hand', hash);
assert.equal((await node.getBlock()).transactions.length, 2);
await cheats.setAutomine(true);

await cheats.setBlockGasLimit({ gasLimit: 25_000_000n });
await cheats.mine({ blocks: 1 });
record('setBlockGasLimit', (await node.getBlock()).gasLimit);
await cheats.setNextBlockBaseFeePerGas({ baseFeePerGas: 3_000_000_000n });
await cheats.mine({ blocks: 1 });
record('setNextBlockBaseFeePerGas', (await node.getBlock()).baseFeePerGas);
await cheats.setCoinbase({ address: stranger });
await cheats.mine({ blocks: 1 });
record('setCoinbase', (await node.getBlock()).miner);
