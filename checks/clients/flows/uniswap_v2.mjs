// Uniswap v2: a pair made by the router's first deposit, swaps in both directions, a swap of Ether, and a withdrawal.
import { getContract, parseEther } from 'viem';
import { accounts, artifact, deploy, fails, fixTime, mined, node, record, wallet } from '../harness.mjs';

const [alice, bob] = accounts;
const deadline = 5_000_000_000n;
await fixTime();

const factory = await deploy('deploy the factory', artifact('@uniswap/v2-core/build/UniswapV2Factory.json'), [alice.address]);
const weth = await deploy('deploy wrapped Ether', artifact('@uniswap/v2-periphery/build/WETH9.json'));
const router = await deploy('deploy the router', artifact('@uniswap/v2-periphery/build/UniswapV2Router02.json'), [factory.address, weth.address]);
const a = await deploy('deploy token A', artifact('Token'), ['A', 'A', parseEther('1000000')]);
const b = await deploy('deploy token B', artifact('Token'), ['B', 'B', parseEther('1000000')]);
for (const token of [a, b]) await mined('approve', await token.write.approve([router.address, 2n ** 256n - 1n]));

await mined('create the pair', await factory.write.createPair([a.address, b.address]));
await mined('addLiquidity', await router.write.addLiquidity(
  [a.address, b.address, parseEther('1000'), parseEther('4000'), 0n, 0n, alice.address, deadline],
));
const pair = getContract({
  address: await factory.read.getPair([a.address, b.address]),
  abi: artifact('@uniswap/v2-core/build/UniswapV2Pair.json').abi,
  client: { public: node, wallet: wallet(alice) },
});
record('pair', pair.address);
record('quote', await router.read.getAmountsOut([parseEther('10'), [a.address, b.address]]));
await mined('swap A for B', await router.write.swapExactTokensForTokens(
  [parseEther('10'), 0n, [a.address, b.address], bob.address, deadline],
));
await mined('swap B for exact A', await router.write.swapTokensForExactTokens(
  [parseEther('7'), parseEther('100'), [b.address, a.address], bob.address, deadline],
));
await mined('add Ether', await router.write.addLiquidityETH(
  [a.address, parseEther('500'), 0n, 0n, alice.address, deadline], { value: parseEther('5') },
));
await mined('swap Ether for B in two steps', await router.write.swapExactETHForTokens(
  [0n, [weth.address, a.address, b.address], bob.address, deadline], { value: parseEther('0.1') },
));
await fails('too little out', router.simulate.swapExactTokensForTokens(
  [parseEther('1'), parseEther('100'), [a.address, b.address], bob.address, deadline],
));
await mined('approve the shares', await pair.write.approve([router.address, 2n ** 256n - 1n]));
await mined('removeLiquidity', await router.write.removeLiquidity(
  [a.address, b.address, parseEther('100'), 0n, 0n, alice.address, deadline],
));
record('reserves', await pair.read.getReserves());
record('price', await pair.read.price0CumulativeLast());
record('what was bought', await b.read.balanceOf([bob.address]));
