// Hardhat 3: its tests, on a network that is the running node, with its helpers for time, snapshots and state.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { assert, record } from '../harness.mjs';

const here = new URL('..', import.meta.url).pathname;
const cli = join(dirname(createRequire(import.meta.url).resolve('hardhat/package.json')), 'dist/src/cli.js');
const copy = mkdtempSync(`${here}hardhat-`); // Hardhat writes into its project.
cpSync(`${here}hardhat`, copy, { recursive: true });
const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'test', 'nodejs', '--network', 'running'], {
  cwd: copy,
  env: { ...process.env, HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true', CI: 'true', NO_COLOR: '1' },
  encoding: 'utf8',
  timeout: 200_000,
});
rmSync(copy, { recursive: true, force: true });
// What the tests recorded, and how many of them ran.
for (const [line] of stdout.matchAll(/^\{"label".*$/gm)) console.log(line);
assert.equal(status, 0, `${stdout}\n${stderr}`);
record('tests that passed', /(\d+) passing/.exec(stdout)?.[1]);
