// ethers: deploying, calling, events by filter and by polling, errors, typed transactions and the provider's reading methods.
import { Contract, ContractFactory, HDNodeWallet, JsonRpcProvider, NonceManager, Wallet, id } from 'ethers';
import { artifact, assert, chain, fixTime, record, url } from '../harness.mjs';

await fixTime();
const provider = new JsonRpcProvider(url, chain.id, { staticNetwork: true, pollingInterval: 20, cacheTimeout: -1 });
const words = 'test test test test test test test test test test test junk';
const alice = HDNodeWallet.fromPhrase(words).connect(provider);
const unlocked = await provider.getSigner(1);
const show = (receipt) => ({
  type: receipt.type, status: receipt.status, gasUsed: receipt.gasUsed, contractAddress: receipt.contractAddress, index: receipt.index,
  logs: receipt.logs.map(({ address, topics, data, index }) => ({ address, topics, data, index })),
});

const { abi, bytecode } = artifact('Ledger');
const ledger = await new ContractFactory(abi, bytecode, alice).deploy(3n, { value: 11n });
record('deploy', show(await ledger.deploymentTransaction().wait()));
record('its code', id(await ledger.getDeployedCode()));
record('balance', await provider.getBalance(await ledger.getAddress()));
const send = async (label, promise) => record(label, show(await (await promise).wait()));
await send('write', ledger.write(1n, 10n, 'dynamic fee'));
await send('legacy', ledger.write(2n, 20n, 'legacy', { type: 0 }));
const keys = [{ address: await ledger.getAddress(), storageKeys: [`0x${'00'.repeat(31)}01`] }];
await send('access list', ledger.write(3n, 30n, 'access list', { type: 1, accessList: keys }));
await send('by an account of the node', ledger.connect(unlocked).write(4n, 40n, 'unlocked'));
// Before a slot is cleared: the reference node's tries keep slots that are zero.
const proof = await provider.send('eth_getProof', [await ledger.getAddress(), [keys[0].storageKeys[0]], 'latest']);
record('proof', [proof.balance, proof.nonce, proof.codeHash, proof.storageHash, proof.storageProof]);
await send('a refund', ledger.clear(1n));
await send('Ether', unlocked.sendTransaction({ to: await ledger.getAddress(), value: 5n }));
record('read', await ledger.numbers(alice.address, 3n));
record('read of an earlier block', await ledger.writes({ blockTag: 2 }));

const errors = [
  ['custom error', ledger.write.staticCall(1n, 2_000_000n, '')],
  ['reason', ledger.failWithReason()],
  ['panic', ledger.failWithPanic(0n)],
  ['custom error in an estimate', ledger.write.estimateGas(1n, 3_000_000n, '')],
];
for (const [label, promise] of errors) {
  const error = await promise.then(() => assert.fail(label), (error) => error);
  record(label, [error.code, error.reason, error.revert?.name, error.revert?.args.map(String), error.data]);
}
const doomed = await ledger.write(1n, 4_000_000n, 'mined all the same', { gasLimit: 100_000n });
const failure = await doomed.wait().catch((error) => error);
record('a transaction that fails', [failure.code, show(failure.receipt)]);
const poor = await Wallet.createRandom(provider).sendTransaction({ to: alice.address, value: 1n }).catch((error) => error);
record('without funds', poor.code);

const written = await ledger.queryFilter(ledger.filters.Written(), 0, 'latest');
record('events', written.map(({ args, blockNumber, index }) => [args.toArray(), blockNumber, index]));
const some = await ledger.queryFilter(ledger.filters.Written(null, [2n, 4n]), 0);
record('events with either of two topics', some.map(({ args }) => args.toArray()));
const polled = new Promise((done) => ledger.once('Written', (...args) => done(args.slice(0, 4))));
await provider.getBlockNumber();
await new Promise((done) => setTimeout(done, 100)); // Until the filter is made at the node, which ethers has no event for.
const many = new NonceManager(alice);
for (const slot of [5n, 6n, 7n]) await (await ledger.connect(many).write(slot, slot, 'many')).wait();
record('an event by polling', (await polled).slice(1));

const block = await provider.getBlock('latest', true);
record('block', [block.number, block.timestamp, block.gasUsed, block.prefetchedTransactions.map(({ data, to }) => [data, to])]);
record('nonce', await provider.getTransactionCount(alice.address));
record('storage', await provider.getStorage(await ledger.getAddress(), 1));
record('chain', [(await provider.getNetwork()).chainId, await provider.send('net_version', [])]);
record('no such block', await provider.getBlock(1_000_000));
record('no such transaction', await provider.getTransaction(id('none')));
const { accessList } = await provider.send('eth_createAccessList', [
  { from: alice.address, to: await ledger.getAddress(), data: ledger.interface.encodeFunctionData('write', [1n, 1n, '']) }, 'latest',
]);
record('access list', accessList);
provider.destroy();
