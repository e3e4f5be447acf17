// Multicall3: batched by viem on reading, called directly on writing, and without being deployed at all.
import { createPublicClient, encodeFunctionData, parseAbi, parseEther } from 'viem';
import { multicall3Bytecode } from '../node_modules/viem/_esm/constants/contracts.js';
import { multicall3Abi } from 'viem';
import { accounts, artifact, chain, deploy, fixTime, mined, node, record, transport } from '../harness.mjs';

const [alice, bob] = accounts;
await fixTime();
const token = await deploy('deploy the token', artifact('Token'), ['Coin', 'COIN', parseEther('1000')]);
const ledger = await deploy('deploy the ledger', artifact('Ledger'), [5n]);
const abi = [...multicall3Abi, ...parseAbi([
  'function aggregate3Value((address target, bool allowFailure, uint256 value, bytes callData)[] calls) payable returns ((bool success, bytes returnData)[])',
  'function getBlockNumber() view returns (uint256)',
])];
const multicall = await deploy('deploy Multicall3', { abi, bytecode: multicall3Bytecode });

const batched = createPublicClient({ chain, transport, batch: { multicall: true } });
const reads = [alice, bob].map(({ address }) => ({ ...token, functionName: 'balanceOf', args: [address] }));
const contracts = [...reads, { ...ledger, functionName: 'failWithReason' }, { ...ledger, functionName: 'writes' }];
const results = await batched.multicall({ contracts, multicallAddress: multicall.address });
record('a batch with a failure', results.map(({ status, result, error }) => [status, result, error?.shortMessage]));
const deployless = await batched.multicall({ contracts, deployless: true });
record('the same, not deployed', deployless.map(({ status, result }) => [status, result]));

const call = (contract, functionName, args) => encodeFunctionData({ abi: contract.abi, functionName, args });
await mined('writes in a batch', await multicall.write.aggregate3([[
  { target: ledger.address, allowFailure: false, callData: call(ledger, 'write', [1n, 10n, 'one']) },
  { target: ledger.address, allowFailure: true, callData: call(ledger, 'write', [2n, 10_000_000n, 'too large']) },
  { target: ledger.address, allowFailure: false, callData: call(ledger, 'write', [3n, 30n, 'three']) },
]]));
await mined('values in a batch', await multicall.write.aggregate3Value([[
  { target: ledger.address, allowFailure: false, value: 3n, callData: '0x' },
  { target: bob.address, allowFailure: false, value: 4n, callData: '0x' },
]], { value: 7n }));
record('writes', await ledger.read.writes());
record('value', await node.getBalance({ address: ledger.address }));
record('number of the block', await multicall.read.getBlockNumber());
