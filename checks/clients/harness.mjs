// What every flow in JavaScript shares: clients of the node at RPC_URL, artifacts by name, and the transcript.
//
// A flow prints one line of JSON per thing that it saw: receipts, results of calls, what failed and how. The same flow is run on
// a reference node, and the two transcripts have to be equal, so a flow prints only what every right node has in common: gas
// that was used, logs, addresses, returned values; never hashes of blocks, prices of gas or the time of day.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createPublicClient, createTestClient, createWalletClient, defineChain, getContract, http } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';

export { assert };
export const url = process.env.RPC_URL ?? 'http://127.0.0.1:8545';
export const wsUrl = url.replace(/^http/, 'ws');

const require = createRequire(import.meta.url);
const words = 'test test test test test test test test test test test junk';
export const accounts = Array.from({ length: 10 }, (_, addressIndex) => mnemonicToAccount(words, { addressIndex }));

export const chain = defineChain({
  id: 31337,
  name: 'development',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [url] } },
});
export const transport = http(url, { retryCount: 0, timeout: 60_000 });
const pollingInterval = 20;
export const node = createPublicClient({ chain, transport, pollingInterval, cacheTime: 0 });
export const cheats = createTestClient({ chain, transport, mode: 'anvil' });
export const wallet = (account) => createWalletClient({ account, chain, transport, pollingInterval });

/** An artifact that `compile.mjs` wrote, or one at a path inside a package. */
export function artifact(name) {
  const path = name.includes('/') ? require.resolve(name) : new URL(`artifacts/${name}.json`, import.meta.url).pathname;
  const { abi, bytecode, evm } = JSON.parse(readFileSync(path, 'utf8'));
  const code = bytecode?.object ?? bytecode ?? evm.bytecode.object;
  return { abi, bytecode: code.startsWith('0x') ? code : `0x${code}` };
}

const plain = (_, value) => (typeof value === 'bigint' ? value.toString() : value);

/** One line of the transcript. */
export function record(label, value) {
  console.log(JSON.stringify({ label, value }, plain));
}

/** Blocks' times from here on, so that nothing depends on when the flow runs. */
export async function fixTime() {
  await cheats.setNextBlockTimestamp({ timestamp: 4_000_000_000n });
  await cheats.setBlockTimestampInterval({ interval: 12 });
}

/** Waits for a transaction, records what its receipt says, and fails unless it has the status. */
export async function mined(label, hash, status = 'success') {
  const receipt = await node.waitForTransactionReceipt({ hash, timeout: 30_000 });
  record(label, {
    type: receipt.type,
    status: receipt.status,
    gasUsed: receipt.gasUsed,
    cumulativeGasUsed: receipt.cumulativeGasUsed,
    from: receipt.from,
    to: receipt.to,
    contractAddress: receipt.contractAddress,
    logsBloom: receipt.logsBloom,
    logs: receipt.logs.map(({ address, topics, data, logIndex }) => ({ address, topics, data, logIndex })),
  });
  assert.equal(receipt.status, status, label);
  return receipt;
}

/** Deploys an artifact; returns the contract, whose `write` methods send from `account`. */
export async function deploy(label, { abi, bytecode }, args = [], account = accounts[0], value = 0n) {
  const client = wallet(account);
  const receipt = await mined(label, await client.deployContract({ abi, bytecode, args, value }));
  return getContract({ address: receipt.contractAddress, abi, client: { public: node, wallet: client } });
}

/** Records how something fails; fails if it does not. */
export async function fails(label, promise, pick = (error) => error.walk?.((e) => e.name === 'ContractFunctionRevertedError')) {
  const error = await promise.then(() => null, (error) => error);
  assert.ok(error, `${label}: succeeded`);
  const found = pick(error) ?? error;
  const { data, reason, raw, message } = found;
  record(label, data ?? reason ?? raw ?? message.split('\n')[0]);
}
