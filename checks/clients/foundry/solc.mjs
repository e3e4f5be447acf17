// Speaks as much of the native compiler's command line as forge uses: --version, and --standard-json from standard input.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const solc = createRequire(import.meta.url)('solc');
const args = process.argv.slice(2);
if (args.includes('--version')) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else if (args.includes('--standard-json')) {
  const at = args.indexOf('--base-path');
  const base = at < 0 ? process.cwd() : args[at + 1];
  const load = (path) => {
    try {
      return { contents: readFileSync(resolve(base, path), 'utf8') };
    } catch (error) {
      return { error: String(error) };
    }
  };
  process.stdout.write(solc.compile(readFileSync(0, 'utf8'), { import: load }));
} else {
  console.error(`unknown arguments: ${args.join(' ')}`);
  process.exit(1);
}
