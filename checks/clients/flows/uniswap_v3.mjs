// Uniswap v3: a pool with a position minted through the manager of positions, swaps, and what the position earned.
import { encodePacked, getContract, maxUint128, parseEther } from 'viem';
import { accounts, artifact, deploy, fixTime, mined, node, record, wallet } from '../harness.mjs';

const [alice, bob] = accounts;
const deadline = 5_000_000_000n;
const core = (name) => artifact(`@uniswap/v3-core/artifacts/contracts/${name}.sol/${name}.json`);
const periphery = (name) => artifact(`@uniswap/v3-periphery/artifacts/contracts/${name}.sol/${name}.json`);
await fixTime();

const factory = await deploy('deploy the factory', core('UniswapV3Factory'));
const weth = await deploy('deploy wrapped Ether', artifact('@uniswap/v2-periphery/build/WETH9.json'));
const none = '0x0000000000000000000000000000000000000000';
const manager = await deploy('deploy the manager', periphery('NonfungiblePositionManager'), [factory.address, weth.address, none]);
const router = await deploy('deploy the router', periphery('SwapRouter'), [factory.address, weth.address]);
const tokens = [];
for (const name of ['A', 'B']) tokens.push(await deploy(`deploy token ${name}`, artifact('Token'), [name, name, parseEther('1000000')]));
tokens.sort((x, y) => (x.address.toLowerCase() < y.address.toLowerCase() ? -1 : 1));
const [token0, token1] = tokens;
for (const token of tokens) {
  await mined('approve the manager', await token.write.approve([manager.address, 2n ** 256n - 1n]));
  await mined('approve the router', await token.write.approve([router.address, 2n ** 256n - 1n]));
}

const fee = 3000;
await mined('create the pool', await manager.write.createAndInitializePoolIfNecessary([token0.address, token1.address, fee, 2n ** 96n]));
const pool = getContract({
  address: await factory.read.getPool([token0.address, token1.address, fee]),
  abi: core('UniswapV3Pool').abi,
  client: { public: node, wallet: wallet(alice) },
});
record('pool', pool.address);
const position = (tickLower, tickUpper, amount) => [{
  token0: token0.address, token1: token1.address, fee, tickLower, tickUpper, amount0Desired: amount, amount1Desired: amount,
  amount0Min: 0n, amount1Min: 0n, recipient: alice.address, deadline,
}];
await mined('mint a wide position', await manager.write.mint(position(-60000, 60000, parseEther('1000'))));
await mined('mint a narrow position', await manager.write.mint(position(-120, 120, parseEther('100'))));
const swap = (tokenIn, tokenOut, amountIn) => [{
  tokenIn: tokenIn.address, tokenOut: tokenOut.address, fee, recipient: bob.address, deadline, amountIn,
  amountOutMinimum: 0n, sqrtPriceLimitX96: 0n,
}];
await mined('a swap inside one range', await router.write.exactInputSingle(swap(token0, token1, parseEther('1'))));
await mined('a swap across ticks', await router.write.exactInputSingle(swap(token1, token0, parseEther('50000') / 100n)));
const path = encodePacked(['address', 'uint24', 'address'], [token1.address, fee, token0.address]);
await mined('a swap for an exact amount', await router.write.exactOutput(
  [{ path, recipient: bob.address, deadline, amountOut: parseEther('2'), amountInMaximum: parseEther('100') }],
));
await mined('more cardinality', await pool.write.increaseObservationCardinalityNext([8]));
await mined('another swap', await router.write.exactInputSingle(swap(token0, token1, parseEther('3'))));
await mined('collect', await manager.write.collect(
  [{ tokenId: 2n, recipient: alice.address, amount0Max: maxUint128, amount1Max: maxUint128 }],
));
const [, , , , , , , liquidity] = await manager.read.positions([1n]);
await mined('decreaseLiquidity', await manager.write.decreaseLiquidity(
  [{ tokenId: 1n, liquidity: liquidity / 2n, amount0Min: 0n, amount1Min: 0n, deadline }],
));
record('slot0', await pool.read.slot0());
record('liquidity', await pool.read.liquidity());
record('observations', await pool.read.observe([[0, 12]]));
record('bought', [await token0.read.balanceOf([bob.address]), await token1.read.balanceOf([bob.address])]);
