// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Compiles every .sol file in this folder and writes artifacts.json: contract name -> {abi, bytecode,
// deployed_bytecode}. The output depends on the sources and the pinned compiler alone (no metadata, no paths, no
// times), so running it again gives the same bytes.
//
//   npm ci && npm run compile            writes artifacts.json
//   npm ci && npm run compile -- --check fails if artifacts.json differs from what the sources give

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const folder = dirname(fileURLToPath(import.meta.url));
const output = join(folder, "artifacts.json");

const sources = {};
for (const file of readdirSync(folder).filter((name) => name.endsWith(".sol")).sort()) {
  sources[file] = { content: readFileSync(join(folder, file), "utf8") };
}

const compiled = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources,
      settings: {
        evmVersion: "cancun",
        optimizer: { enabled: true, runs: 1000 },
        metadata: { bytecodeHash: "none", appendCBOR: false },
        outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
      },
    }),
  ),
);

// 2394 only says that transient storage outlives the call; the benchmark wants just that.
const problems = (compiled.errors ?? []).filter((problem) => problem.errorCode !== "2394");
for (const problem of problems) {
  console.error(problem.formattedMessage);
}
if (problems.length > 0) {
  process.exit(1);
}

const artifacts = {};
for (const file of Object.keys(compiled.contracts).sort()) {
  for (const [name, contract] of Object.entries(compiled.contracts[file])) {
    const bytecode = contract.evm.bytecode.object;
    if (bytecode === "") {
      continue; // an interface
    }
    artifacts[name] = {
      abi: contract.abi,
      bytecode: `0x${bytecode}`,
      deployed_bytecode: `0x${contract.evm.deployedBytecode.object}`,
    };
  }
}

const text = `${JSON.stringify(artifacts, null, 1)}\n`;
if (process.argv.includes("--check")) {
  if (readFileSync(output, "utf8") !== text) {
    console.error(`${output} differs from what the sources give with solc ${solc.version()}`);
    process.exit(1);
  }
  console.log(`${output} is what the sources give`);
} else {
  writeFileSync(output, text);
  console.log(`${output}: ${Object.keys(artifacts).length} contracts, solc ${solc.version()}`);
}
