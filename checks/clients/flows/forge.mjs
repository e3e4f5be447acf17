// forge: tests on a fork of the node, and a script whose transactions are broadcast to it.
import { readFileSync } from 'node:fs';
import { accounts, artifact, assert, deploy, fixTime, mined, node, record, url } from '../harness.mjs';
import { directory, forge } from '../foundry.mjs';

await fixTime();
const ledger = await deploy('deploy', artifact('Ledger'), [1n]);
for (const slot of [1n, 2n, 3n]) await mined('write', await ledger.write.write([slot, slot * 10n, 'for the fork']));

const env = { LEDGER: ledger.address, WRITER: accounts[0].address };
const tests = JSON.parse(await forge(['test', '--fork-url', url, '--json', '--no-storage-caching'], env));
const results = Object.values(tests).flatMap(({ test_results }) => Object.entries(test_results));
results.sort(([a], [b]) => (a < b ? -1 : 1));
record('tests', results.map(([name, { status, reason }]) => [name, status, reason]));
assert.equal(results.length, 5);
assert.ok(results.every(([, { status }]) => status === 'Success'), 'a test on the fork failed');

const first = await node.getBlockNumber();
await forge(['script', 'script/Deploy.s.sol:Deploy', '--rpc-url', url, '--broadcast', '--slow', '--no-storage-caching', '--non-interactive'], env);
const run = JSON.parse(readFileSync(`${directory()}/broadcast/Deploy.s.sol/31337/run-latest.json`, 'utf8'));
record('broadcast', run.transactions.map(({ contractName, contractAddress, function: name }) => [contractName, contractAddress, name]));
for (const { hash } of run.transactions) await mined('by the script', hash);
record('blocks', (await node.getBlockNumber()) - first);
const coin = await forge([
  'create', 'src/Tally.sol:Tally', '--rpc-url', url, '--broadcast', '--json',
  '--private-key', '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
], env);
record('create', JSON.parse(coin).deployedTo);
