// The market's examples on a dev chain: the market maker quotes, the vault swaps and hedges, prices move, and somebody is liquidated.
//
// It runs on a node of this build alone, and asserts what has to be so. Standard output is a transcript for whoever reads.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { encodeAbiParameters, getContract, parseAbi } from 'viem';
import { accounts, assert, chain, cheats, node, record, url, wallet } from '../harness.mjs';
import { Book, MARKET, Maker, Streams, crc32 } from './maker.ts';

const require = createRequire(import.meta.url);
const [operator, signer, maker, swapper, gambler] = accounts;
const DOLLAR = '0x525400000000000000000000000000000000d001';
const ETHER = '0x525400000000000000000000000000000000d002';
const PERPETUAL = 2;
const LOT = 10n ** 15n;
const UNIT = 1_000_000n;

/** The vault and the market's interface, compiled from their sources. */
function compiled() {
  const source = (name) => ({ content: readFileSync(new URL(name, import.meta.url), 'utf8') });
  const input = {
    language: 'Solidity',
    sources: { 'examples/market/HedgedVault.sol': source('HedgedVault.sol'), 'contracts/IMarket.sol': source('IMarket.sol') },
    settings: {
      optimizer: { enabled: true, runs: 200 }, evmVersion: 'prague',
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
    },
  };
  const output = JSON.parse(require('solc').compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error');
  assert.deepEqual(errors.map(({ formattedMessage }) => formattedMessage), []);
  const vault = output.contracts['examples/market/HedgedVault.sol'].HedgedVault;
  return {
    market: output.contracts['contracts/IMarket.sol'].IMarket.abi,
    vault: { abi: vault.abi, bytecode: `0x${vault.evm.bytecode.object}` },
  };
}

const { market: marketAbi, vault: vaultArtifact } = compiled();
const tokenAbi = parseAbi([
  'function approve(address spender, uint256 amount) returns (bool)',
  'function transfer(address to, uint256 amount) returns (bool)',
  'function balanceOf(address owner) view returns (uint256)',
]);
const at = (address, abi, account) => getContract({ address, abi, client: { public: node, wallet: wallet(account) } });
const rpc = (method, ...params) => node.request({ method, params });

async function mined(hash) {
  const receipt = await node.waitForTransactionReceipt({ hash, timeout: 30_000 });
  assert.equal(receipt.status, 'success');
  return receipt;
}

/** Opens account 0 of an owner with so many dollars; its number. */
async function opened(account, dollars) {
  const [market, dollar] = [at(MARKET, marketAbi, account), at(DOLLAR, tokenAbi, account)];
  await mined(await market.write.openAccount([0]));
  const number = await market.read.accountOf([account.address, 0]);
  await mined(await dollar.write.approve([MARKET, dollars * UNIT]));
  await mined(await market.write.deposit([number, DOLLAR, dollars * UNIT]));
  return number;
}

let round = 0n;
/** Brings a price of ether, in dollars, signed by the configured signer. */
async function bring(dollars) {
  round += 1n;
  const { timestamp } = await node.getBlock();
  const report = { sequence: round, timeSeconds: timestamp, prices: [{ feed: 1, price: BigInt(Math.round(dollars * 1e8)) }] };
  const types = {
    FeedPrice: [{ name: 'feed', type: 'uint16' }, { name: 'price', type: 'uint128' }],
    PriceReport: [
      { name: 'sequence', type: 'uint64' }, { name: 'timeSeconds', type: 'uint64' }, { name: 'prices', type: 'FeedPrice[]' },
    ],
  };
  const domain = { name: 'Rialto Market', version: '1', chainId: chain.id, verifyingContract: MARKET };
  const signature = await signer.signTypedData({ domain, types, primaryType: 'PriceReport', message: report });
  const signed = {
    name: 'reports', type: 'tuple[]', components: [
      { name: 'report', type: 'tuple', components: [
        { name: 'sequence', type: 'uint64' }, { name: 'timeSeconds', type: 'uint64' },
        { name: 'prices', type: 'tuple[]', components: types.FeedPrice },
      ] },
      { name: 'signature', type: 'bytes' },
    ],
  };
  const data = encodeAbiParameters([signed], [[{ report, signature }]]);
  return mined(await at(MARKET, marketAbi, operator).write.updatePrices([data]));
}

/** Resolves once the condition holds; events alone decide when, the time is only a bound. */
async function until(what, condition) {
  for (const end = Date.now() + 20_000; !condition();) {
    assert.ok(Date.now() < end, `${what}: not within 20 seconds`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

assert.equal(crc32('123456789'), 0xcbf43926);
const [{ prices }] = (await rpc('market_instruments')).filter(({ instrument }) => instrument === String(PERPETUAL));
record('prices at first', prices);

// Everything that anybody may listen to.
const heard = { books: new Map(), kinds: [], trades: [], prices: [], liquidations: [] };
const streams = new Streams(url, (error) => { throw error; });
await streams.subscribe('book', { instrument: '*', depth: 5 }, (message) => {
  if (!heard.books.has(message.instrument)) heard.books.set(message.instrument, new Book());
  heard.books.get(message.instrument).apply(message);
  heard.kinds.push(`${message.type} ${message.instrument}`);
});
await streams.subscribe('trades', {}, ({ events }) => heard.trades.push(...events));
await streams.subscribe('prices', {}, ({ events }) => heard.prices.push(...events));
await streams.subscribe('liquidations', {}, ({ events }) => heard.liquidations.push(...events));

await bring(3000);
const number = await opened(maker, 1_000_000n);
const settings = { instrument: PERPETUAL, levels: 5, lots: 2_000n, spreadPpm: 500, leanPpm: 500 };
const bot = new Maker(url, maker, chain, number, settings);
await bot.start();
const book = await rpc('market_book', PERPETUAL, 5);
record('the maker\'s book', { bids: book.bids, asks: book.asks });
assert.equal(book.bids.length, 5);
assert.equal(book.asks.length, 5);
await bot.settled();

// The vault: it can't swap without margin, then it can, and what it can't hedge it does not sell.
const deployment = await mined(await wallet(operator).deployContract({ ...vaultArtifact, args: [DOLLAR, ETHER, PERPETUAL, LOT, 1_000n] }));
const vault = at(deployment.contractAddress, vaultArtifact.abi, swapper);
const [dollar, ether] = [at(DOLLAR, tokenAbi, swapper), at(ETHER, tokenAbi, swapper)];
await mined(await at(ETHER, tokenAbi, operator).write.transfer([vault.address, 20n * 10n ** 18n]));
await mined(await dollar.write.approve([vault.address, 1_000_000n * UNIT]));
await assert.rejects(vault.simulate.buy([1_000n, 31_000], { account: swapper }), /MarginTooLow|reverted/);
await mined(await at(DOLLAR, tokenAbi, operator).write.approve([vault.address, 100_000n * UNIT]));
await mined(await at(vault.address, vaultArtifact.abi, operator).write.fund([100_000n * UNIT]));

const before = [await dollar.read.balanceOf([swapper.address]), await ether.read.balanceOf([swapper.address])];
const swap = await mined(await vault.write.buy([3_000n, 31_000]));
const after = [await dollar.read.balanceOf([swapper.address]), await ether.read.balanceOf([swapper.address])];
assert.equal(after[1] - before[1], 3_000n * LOT, 'three ethers were bought');
const paid = before[0] - after[0];
record('dollars paid for three ethers', paid);
assert.ok(paid > 9_000n * UNIT && paid < 9_100n * UNIT, `${paid}`);
const vaultAccount = await vault.read.account();
const [held] = await at(MARKET, marketAbi, operator).read.positionOf([vaultAccount, PERPETUAL]);
assert.equal(held, 3_000n, 'and three are held in the perpetual');
record('gas of a hedged swap', swap.gasUsed);

// Nothing is left of a swap that can't be hedged, or that the swapper can't pay: the book is as before.
const levels = async () => { const { bids, asks } = await rpc('market_book', PERPETUAL, 20); return { bids, asks }; };
const untouched = await levels();
await assert.rejects(vault.simulate.buy([1_000_000n, 31_000], { account: swapper }), /NotFillable|reverted/);
await mined(await dollar.write.approve([vault.address, 1n]));
const hash = await vault.write.buy([1_000n, 31_000], { gas: 3_000_000n });
const failed = await node.waitForTransactionReceipt({ hash });
assert.equal(failed.status, 'reverted', 'a swap that is not paid is not made');
assert.deepEqual(await levels(), untouched);
await mined(await ether.write.approve([vault.address, 1_000n * LOT]));
await mined(await vault.write.sell([1_000n, 29_000]));

// A gambler goes long with little; prices fall; the maker goes on quoting; the gambler is liquidated.
const bet = await opened(gambler, 2_000n);
const order = {
  instrument: PERPETUAL, isBuy: true, priceTicks: 30_200, lots: 6_000n, timeInForce: 1, selfTrade: 0, reduceOnly: false,
  clientId: 7n, expirySeconds: 0n,
};
await mined(await at(MARKET, marketAbi, gambler).write.place([bet, order]));
record('the gambler\'s margin', await rpc('market_margin', String(bet)));
for (const price of [2950, 2900, 2800, 2700, 2650]) {
  await bring(price);
  await bot.settled();
}
await cheats.mine({ blocks: 2 });
const status = await rpc('market_margin', String(bet));
record('the gambler\'s margin at last', status);
await until('liquidations', () => heard.liquidations.some(({ type, account }) => type === 'LiquidationQueued' && account === String(bet)));
record('liquidations', heard.liquidations.map(({ type, account, stage, lots }) => ({ type, account, stage, lots })));
record('queue', await rpc('market_liquidations'));

// What was heard is what is there.
const trades = await rpc('market_trades', { instrument: String(PERPETUAL), limit: 1_000 });
await until('trades', () => heard.trades.length >= trades.length);
assert.deepEqual(heard.trades.filter(({ instrument }) => instrument === String(PERPETUAL)), trades);
const final = await rpc('market_book', PERPETUAL, 5);
await until('the book', () => heard.books.get(String(PERPETUAL)).checksum() === Number(final.checksum));
assert.ok(heard.books.get(String(PERPETUAL)).checked > 5, 'the checksum was verified over several blocks');
assert.ok(bot.book.checked > 5 && bot.quotes >= 6, `${bot.book.checked} ${bot.quotes}`);
assert.ok(heard.prices.some(({ type }) => type === 'PriceUpdated'));
const candles = await rpc('market_candles', PERPETUAL, 60);
const lots = candles.candles.reduce((sum, candle) => sum + BigInt(candle.lots), 0n);
assert.equal(lots, trades.reduce((sum, trade) => sum + BigInt(trade.lots), 0n), 'candles have all trades');
record('candles', candles.candles);
record('funding', await rpc('market_funding', PERPETUAL));
record('assets', (await rpc('market_assets')).length);
record('account', await rpc('market_account', { owner: maker.address }));
const orders = await rpc('market_orders', PERPETUAL, { account: String(number) });
assert.ok(orders.bids.length + orders.asks.length > 0, 'the maker has quotes in the book');
await bot.stop();

// A block is taken back: its trades are told again as removed, and books begin again.
const before_reorganisation = await levels();
const snapshot = await cheats.snapshot();
const [told, kinds] = [heard.trades.length, heard.kinds.length];
await mined(await at(MARKET, marketAbi, swapper).write.openAccount([0]));
const market = at(MARKET, marketAbi, swapper);
const late = await market.read.accountOf([swapper.address, 0]);
await mined(await dollar.write.approve([MARKET, 1_000n * UNIT]));
await mined(await market.write.deposit([late, DOLLAR, 1_000n * UNIT]));
await mined(await market.write.place([late, { ...order, priceTicks: 0, lots: 10n }]));
await until('a trade', () => heard.trades.length > told);
await cheats.revert({ id: snapshot });
await until('a snapshot', () => heard.kinds.slice(kinds).includes(`snapshot ${PERPETUAL}`));
await until('the trade taken back', () => heard.trades.slice(told).some(({ removed }) => removed));
assert.deepEqual(await levels(), before_reorganisation);
const again = await rpc('market_book', PERPETUAL, 5);
assert.equal(heard.books.get(String(PERPETUAL)).checksum(), Number(again.checksum));
assert.deepEqual(await rpc('market_trades', { instrument: String(PERPETUAL), limit: 1_000 }), trades);
assert.deepEqual((await rpc('market_candles', PERPETUAL, 60)).candles, candles.candles);
streams.close();
record('done', true);
