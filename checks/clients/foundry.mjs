// Runs forge and cast, whose binaries come with the packages for this platform, in a copy of the project in `foundry/`.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { url } from './harness.mjs';

const require = createRequire(import.meta.url);
const here = new URL('.', import.meta.url).pathname;
const machine = { x64: 'amd64', arm64: 'arm64' }[process.arch];
const binary = (name) => `${dirname(require.resolve(`@foundry-rs/${name}-linux-${machine}/package.json`))}/bin/${name}`;
const run = promisify(execFile);
const options = (env) => ({
  maxBuffer: 1 << 26,
  timeout: 240_000,
  env: { ...process.env, NODE: process.execPath, ETH_RPC_URL: url, FOUNDRY_DISABLE_NIGHTLY_WARNING: '1', NO_COLOR: '1', ...env },
});

/** What cast prints for these arguments. */
export async function cast(...args) {
  return (await run(binary('cast'), args, options({}))).stdout.trim();
}

let copy;
/** A directory with the project, of this process alone: forge writes into it. */
export function directory() {
  if (!copy) {
    copy = mkdtempSync(`${here}foundry-`);
    cpSync(`${here}foundry`, copy, { recursive: true });
    process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
  }
  return copy;
}

/** What forge prints for these arguments. */
export async function forge(args, env) {
  const settings = { ...options({ FOUNDRY_CACHE_PATH: `${directory()}/cache`, ...env }), cwd: directory() };
  return run(binary('forge'), args, settings).then(
    ({ stdout }) => stdout.trim(),
    (error) => { throw new Error(`forge ${args[0]}: ${error.stdout ?? ''}${error.stderr ?? error}`); },
  );
}
