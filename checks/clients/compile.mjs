// Compiles the contracts that no package ships in compiled form: our own, with the newest compiler, and Permit2, with the one
// that its authors used. Writes artifacts/NAME.json with `abi` and `bytecode`.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const here = new URL('.', import.meta.url).pathname;
const permit2 = 'node_modules/@uniswap/v4-periphery/lib/permit2';

const jobs = [
  {
    compiler: 'solc',
    sources: readdirSync(`${here}contracts`).map((name) => `contracts/${name}`),
    settings: { optimizer: { enabled: true, runs: 200 }, evmVersion: 'prague' },
    find: (path) => `node_modules/${path}`,
    wanted: ['Token', 'Collectible', 'Shelf', 'Ledger', 'Batcher', 'BlobReader', 'ERC1967Proxy', 'Vault'],
  },
  {
    compiler: 'solc-0.8.17',
    sources: [`${permit2}/src/Permit2.sol`],
    settings: { optimizer: { enabled: true, runs: 1_000_000 }, viaIR: true, metadata: { bytecodeHash: 'none' } },
    find: (path) => path.startsWith('solmate/') ? `${permit2}/lib/${path}` : path,
    wanted: ['Permit2'],
  },
];

mkdirSync(`${here}artifacts`, { recursive: true });
for (const { compiler, sources, settings, find, wanted } of jobs) {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(sources.map((path) => [path, { content: readFileSync(here + path, 'utf8') }])),
    settings: { ...settings, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
  };
  const load = (path) => {
    try {
      return { contents: readFileSync(here + find(path), 'utf8') };
    } catch (error) {
      return { error: String(error) };
    }
  };
  const output = JSON.parse(require(compiler).compile(JSON.stringify(input), { import: load }));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'));
  const contracts = Object.assign({}, ...Object.values(output.contracts));
  for (const name of wanted) {
    const { abi, evm } = contracts[name];
    writeFileSync(`${here}artifacts/${name}.json`, JSON.stringify({ abi, bytecode: `0x${evm.bytecode.object}` }));
  }
}
