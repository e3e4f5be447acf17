// Uniswap v4: the one manager of all pools, liquidity and swaps through its authors' test routers, on transient storage.
import { encodeAbiParameters, getContract, keccak256, parseEther } from 'viem';
import { accounts, artifact, deploy, fails, fixTime, mined, node, record, wallet } from '../harness.mjs';

const [alice] = accounts;
const out = (name) => artifact(`@uniswap/v4-core/out/${name}.sol/${name}.json`);
await fixTime();

const manager = await deploy('deploy the manager', out('PoolManager'), [alice.address]);
const liquidity = await deploy('deploy the router of liquidity', out('PoolModifyLiquidityTest'), [manager.address]);
const router = await deploy('deploy the router of swaps', out('PoolSwapTest'), [manager.address]);
const tokens = [];
for (const name of ['A', 'B']) tokens.push(await deploy(`deploy token ${name}`, artifact('Token'), [name, name, parseEther('1000000')]));
tokens.sort((x, y) => (x.address.toLowerCase() < y.address.toLowerCase() ? -1 : 1));
for (const token of tokens) {
  for (const spender of [liquidity, router]) await mined('approve', await token.write.approve([spender.address, 2n ** 256n - 1n]));
}

const hooks = '0x0000000000000000000000000000000000000000';
const key = { currency0: tokens[0].address, currency1: tokens[1].address, fee: 3000, tickSpacing: 60, hooks };
await mined('initialize', await manager.write.initialize([key, 2n ** 96n]));
const change = (liquidityDelta) => [
  key, { tickLower: -600, tickUpper: 600, liquidityDelta, salt: `0x${'00'.repeat(32)}` }, '0x',
];
await mined('add liquidity', await liquidity.write.modifyLiquidity(change(parseEther('1000'))));
const swap = (zeroForOne, amountSpecified) => [
  key,
  { zeroForOne, amountSpecified, sqrtPriceLimitX96: zeroForOne ? 4295128740n : 1461446703485210103287273052203988822378723970341n },
  { takeClaims: false, settleUsingBurn: false },
  '0x',
];
await mined('swap in', await router.write.swap(swap(true, -parseEther('1'))));
await mined('swap out', await router.write.swap(swap(false, parseEther('2'))));
await fails('a swap outside of the lock', manager.simulate.swap([key, swap(true, -1n)[1], '0x']));
const etherKey = { ...key, currency0: hooks, currency1: tokens[0].address };
await mined('initialize a pool of Ether', await manager.write.initialize([etherKey, 2n ** 96n]));
await mined('add Ether', await liquidity.write.modifyLiquidity([etherKey, ...change(parseEther('10')).slice(1)], { value: parseEther('5') }));
await mined('swap Ether', await router.write.swap([etherKey, ...swap(true, -parseEther('0.1')).slice(1)], { value: parseEther('0.1') }));
await mined('remove liquidity', await liquidity.write.modifyLiquidity(change(-parseEther('400'))));

// What the pool keeps, read from the manager's storage as its library does: pools[id] is at slot 6.
const id = keccak256(encodeAbiParameters(
  [{ type: 'address' }, { type: 'address' }, { type: 'uint24' }, { type: 'int24' }, { type: 'address' }],
  [key.currency0, key.currency1, key.fee, key.tickSpacing, key.hooks],
));
const slot = keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256' }], [id, 6n]));
const reader = getContract({ address: manager.address, abi: manager.abi, client: { public: node, wallet: wallet(alice) } });
record('slot0', await reader.read.extsload([slot]));
record('the same from the node', await node.getStorageAt({ address: manager.address, slot }));
for (const token of tokens) record('balance', await token.read.balanceOf([alice.address]));
