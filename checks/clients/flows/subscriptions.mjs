// Heads, logs and pending transactions over WebSocket, by viem and by ethers.
import { Contract, WebSocketProvider } from 'ethers';
import { createPublicClient, webSocket } from 'viem';
import { accounts, artifact, assert, chain, cheats, deploy, fixTime, mined, record, wallet, wsUrl } from '../harness.mjs';

await fixTime();
const ledger = await deploy('deploy', artifact('Ledger'), [1n]);
const other = await deploy('deploy another', artifact('Ledger'), [1n]);

const seen = { heads: [], logs: [], filtered: [], ethersHeads: [], ethersLogs: [], pending: [] };
const socket = createPublicClient({ chain, transport: webSocket(wsUrl, { reconnect: false }), cacheTime: 0 });
record('chain over the socket', await socket.getChainId());
const failed = (error) => { throw error; };
const stop = [
  socket.watchBlocks({ onBlock: (block) => seen.heads.push(block.number), onError: failed }),
  socket.watchContractEvent({ address: ledger.address, abi: ledger.abi, onLogs: (logs) => seen.logs.push(...logs), onError: failed }),
  socket.watchContractEvent({
    address: [ledger.address, other.address], abi: ledger.abi, eventName: 'Written', args: { slot: 2n },
    onLogs: (logs) => seen.filtered.push(...logs), onError: failed,
  }),
  socket.watchPendingTransactions({ onTransactions: (hashes) => seen.pending.push(...hashes), onError: failed }),
];
const provider = new WebSocketProvider(wsUrl, chain.id, { staticNetwork: true });
const contract = new Contract(ledger.address, ledger.abi, provider);
await provider.on('block', (number) => seen.ethersHeads.push(BigInt(number)));
await contract.on('Written', (writer, slot, value, note, { log }) => seen.ethersLogs.push({ args: [slot, value], blockNumber: BigInt(log.blockNumber) }));

/** Resolves once the condition holds; events alone decide when, the time is only a bound. */
async function until(what, condition) {
  for (const end = Date.now() + 20_000; !condition();) {
    assert.ok(Date.now() < end, `${what}: not within 20 seconds, seen ${JSON.stringify(seen, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

// A subscription counts from when the node has answered: what all of them see says that all have been answered.
while (!Object.values(seen).every((events) => events.length > 0)) {
  await socket.waitForTransactionReceipt({ hash: await ledger.write.write([2n, 1n, 'to be seen']) });
  await new Promise((done) => setTimeout(done, 50));
}
const first = await socket.getBlockNumber();
const since = (events) => events.filter(({ blockNumber }) => blockNumber > first);

const hashes = [];
for (const [contract, slot] of [[ledger, 1n], [ledger, 2n], [other, 1n], [other, 2n]]) {
  hashes.push(await contract.write.write([slot, slot * 10n, 'watched']));
  await mined('write', hashes.at(-1));
}
await cheats.mine({ blocks: 2 });
await until('heads', () => [seen.heads, seen.ethersHeads].every((heads) => heads.includes(first + 6n)));
await until('logs', () => [seen.logs, seen.filtered, seen.ethersLogs].every((logs) => since(logs).length >= 2));
await until('pending', () => hashes.every((hash) => seen.pending.includes(hash)));

const plainLog = ({ address, args, blockNumber, logIndex, removed }) => ({ address, args, block: blockNumber - first, logIndex, removed: removed ?? false });
// viem asks for the block of each head, and may have the answers in another order.
const heads = (numbers) => numbers.filter((number) => number > first).map((number) => Number(number - first)).sort((a, b) => a - b);
record('heads', heads(seen.heads));
record('heads to ethers', heads(seen.ethersHeads));
record('logs', since(seen.logs).map(plainLog));
record('logs with a topic', since(seen.filtered).map(plainLog));
record('logs to ethers', since(seen.ethersLogs).map(({ args }) => args));

// What is no longer watched is no longer sent.
stop.slice(1).forEach((done) => done());
await contract.removeAllListeners();
await mined('unwatched', await wallet(accounts[1]).writeContract({
  address: ledger.address, abi: ledger.abi, functionName: 'write', args: [2n, 5n, 'unwatched'],
}));
await until('the last head', () => seen.heads.includes(first + 7n));
record('logs after the end', [since(seen.logs).length, since(seen.filtered).length]);
process.exit(0);
