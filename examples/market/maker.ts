// A market maker: quotes around the mark price of a perpetual, on a ladder, and renews its quotes in one transaction when the mark moves.
//
// It listens over WebSocket to the book, which it keeps and checks by the checksum of each message, and to prices. All quotes go in one
// call of `batch`: an action that cancels all, then post-only orders, each a word. Its inventory leans the quotes: what it is long it
// sells closer to the mark, and the other way round.
//
//   RPC_URL=http://127.0.0.1:8545 PRIVATE_KEY=0x... node maker.ts 2
import { createPublicClient, createWalletClient, http, pad, parseAbi, toHex } from 'viem';
import type { Account, Chain, Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

export const MARKET = '0x5254000000000000000000000000000000000001';

export const abi = parseAbi([
  'function openAccount(uint8 number) returns (uint32 account)',
  'function accountOf(address owner, uint8 number) view returns (uint32 account)',
  'function deposit(uint32 account, address token, uint256 amount) returns (uint256 credited)',
  'function batch(uint32 account, bytes32[] actions) returns (bytes32[] results)',
  'function positionOf(uint32 account, uint16 instrument) view returns (int64 lots, int256 cost, uint64 bidLots, uint64 askLots)',
]);

type Level = [ticks: string, lots: string];
type BookMessage = {
  type: 'snapshot' | 'diff'; sequence: string; instrument: string; bids: Level[]; asks: Level[]; checksum: string;
};

const table = Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  return remainder >>> 0;
});

/** The CRC-32 that zlib has, too. */
export function crc32(text: string): number {
  let remainder = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) remainder = table[(remainder ^ byte) & 255] ^ (remainder >>> 8);
  return (remainder ^ 0xffffffff) >>> 0;
}

/** The book as a client keeps it: exactly the best levels that it asked for, or it throws. */
export class Book {
  bids = new Map<number, bigint>();
  asks = new Map<number, bigint>();
  messages = 0;
  checked = 0;

  apply(message: BookMessage) {
    if (Number(message.sequence) !== this.messages) throw new Error(`message ${this.messages} is missing, found ${message.sequence}`);
    this.messages += 1;
    if (message.type === 'snapshot') [this.bids, this.asks] = [new Map(), new Map()];
    for (const [side, levels] of [[this.bids, message.bids], [this.asks, message.asks]] as const) {
      for (const [ticks, lots] of levels) {
        if (lots === '0') side.delete(Number(ticks));
        else side.set(Number(ticks), BigInt(lots));
      }
    }
    if (this.checksum() !== Number(message.checksum)) throw new Error(`message ${message.sequence}: the book is not the market's`);
    this.checked += 1;
  }

  side(isBid: boolean): [number, bigint][] {
    return isBid ? [...this.bids].sort(([a], [b]) => b - a) : [...this.asks].sort(([a], [b]) => a - b);
  }

  checksum(): number {
    const [bids, asks] = [this.side(true), this.side(false)];
    const parts = [];
    for (let place = 0; place < 10; place++) {
      for (const level of [bids[place], asks[place]]) if (level) parts.push(`${level[0]}:${level[1]}`);
    }
    return crc32(parts.join(':'));
  }
}

/** Fields of an action's word: place, size and value, in bytes from the left. */
function word(fields: [at: number, bytes: number, value: bigint | number][]): Hex {
  let packed = 0n;
  for (const [at, bytes, value] of fields) packed |= BigInt(value) << BigInt(8 * (32 - at - bytes));
  return pad(toHex(packed), { size: 32 });
}

export const cancelAll = (instrument: number): Hex => word([[0, 1, 5], [2, 2, instrument]]);

export const postOnly = (instrument: number, isBuy: boolean, ticks: number, lots: bigint): Hex =>
  word([[0, 1, 1], [1, 1, (isBuy ? 1 : 0) | (3 << 2)], [2, 2, instrument], [4, 4, ticks], [8, 6, lots]]);

export type Settings = { instrument: number; levels: number; lots: bigint; spreadPpm: number; leanPpm: number };

/** Subscriptions of the market, over a WebSocket: viem's own knows those of `eth` alone. */
export class Streams {
  private readonly socket: WebSocket;
  private readonly answers = new Map<number, { resolve: (id: string) => void; reject: (error: Error) => void }>();
  private readonly listeners = new Map<string, (result: any) => void>();
  /** Messages that came before the answer that says whose they are. */
  private readonly early = new Map<string, any[]>();
  private readonly opened: Promise<void>;
  private requests = 0;

  constructor(url: string, onFailure: (error: Error) => void) {
    this.socket = new WebSocket(url.replace(/^http/, 'ws'));
    this.opened = new Promise((resolve, reject) => {
      this.socket.onopen = () => resolve();
      this.socket.onerror = () => reject(new Error(`${url}: no WebSocket`));
    });
    this.socket.onclose = () => onFailure(new Error('the node closed the connection'));
    this.socket.onmessage = ({ data }) => {
      try {
        this.receive(JSON.parse(data));
      } catch (error) {
        onFailure(error as Error);
      }
    };
  }

  private receive({ id, result, error, params }: any) {
    if (params) {
      const listener = this.listeners.get(params.subscription);
      if (listener) listener(params.result);
      else this.early.set(params.subscription, [...(this.early.get(params.subscription) ?? []), params.result]);
      return;
    }
    const answer = this.answers.get(id);
    this.answers.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  }

  /** Subscribes to a topic. */
  async subscribe(topic: string, filter: object, onData: (result: any) => void) {
    await this.opened;
    const id = (this.requests += 1);
    const answer = new Promise<string>((resolve, reject) => this.answers.set(id, { resolve, reject }));
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'market_subscribe', params: [topic, filter] }));
    const subscription = await answer;
    this.listeners.set(subscription, onData);
    for (const result of this.early.get(subscription) ?? []) onData(result);
    this.early.delete(subscription);
  }

  close() {
    this.socket.onclose = null;
    this.socket.close();
  }
}

export class Maker {
  readonly book = new Book();
  quotes = 0;
  failure: Error | undefined;
  private markTicks = 0;
  private quoting: Promise<void> | undefined;
  private isStale = false;
  private readonly account: Account;
  private readonly number: number;
  private readonly settings: Settings;
  private readonly node;
  private readonly wallet;
  private readonly streams: Streams;

  constructor(url: string, account: Account, chain: Chain, number: number, settings: Settings) {
    [this.account, this.number, this.settings] = [account, number, settings];
    const transport = http(url, { retryCount: 0 });
    this.node = createPublicClient({ chain, transport, pollingInterval: 20, cacheTime: 0 });
    this.wallet = createWalletClient({ account, chain, transport });
    this.streams = new Streams(url, (error) => { this.failure ??= error; });
  }

  async start() {
    const instrument = String(this.settings.instrument);
    await this.streams.subscribe('book', { instrument, depth: 20 }, (message) => this.book.apply(message));
    await this.streams.subscribe('prices', { instrument }, ({ events }) => {
      for (const { type, mark } of events) if (type === 'PriceUpdated') this.markTicks = Math.round(Number(mark) / 1e6);
      this.renew();
    });
    // One of the market's methods, which viem does not know.
    const { prices } = await this.node.request({ method: 'market_instrument', params: [instrument] } as any) as any;
    this.markTicks = Math.round(Number(prices.markMicroticks) / 1e6);
    this.renew();
    await this.settled();
  }

  /** Renews the quotes; while that is under way, what comes in between leads to one more renewal. */
  private renew() {
    this.isStale = true;
    this.quoting ??= this.run().catch((error) => { this.failure ??= error; }).finally(() => { this.quoting = undefined; });
  }

  private async run() {
    while (this.isStale) {
      this.isStale = false;
      await this.quote();
    }
  }

  /** Waits until quotes are as the last price wants them. */
  async settled() {
    while (this.quoting) await this.quoting;
    if (this.failure) throw this.failure;
  }

  /** The words of a batch that replaces all quotes. */
  ladder(markTicks: number, position: bigint): Hex[] {
    const { instrument, levels, lots, spreadPpm, leanPpm } = this.settings;
    const lean = Math.max(-1, Math.min(1, Number(position) / Number(lots * BigInt(levels)))) * leanPpm;
    const actions = [cancelAll(instrument)];
    for (let level = 1; level <= levels; level++) {
      const at = (ppm: number) => Math.round(markTicks * (1 + ppm / 1e6));
      const bid = Math.min(at(-spreadPpm * level - lean), markTicks - 1);
      const ask = Math.max(at(spreadPpm * level - lean), markTicks + 1);
      actions.push(postOnly(instrument, true, bid, lots), postOnly(instrument, false, ask, lots));
    }
    return actions;
  }

  private async quote() {
    const { instrument } = this.settings;
    const [position] = await this.node.readContract({ address: MARKET, abi, functionName: 'positionOf', args: [this.number, instrument] });
    const args = [this.number, this.ladder(this.markTicks, position)] as const;
    const { request } = await this.node.simulateContract({ account: this.account, address: MARKET, abi, functionName: 'batch', args });
    const hash = await this.wallet.writeContract(request);
    const receipt = await this.node.waitForTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`quotes: transaction ${hash} reverted`);
    this.quotes += 1;
  }

  async stop() {
    await this.settled();
    this.streams.close();
  }
}

async function main() {
  const [url, key] = [process.env.RPC_URL ?? 'http://127.0.0.1:8545', process.env.PRIVATE_KEY as Hex];
  const account = privateKeyToAccount(key);
  const id = await createPublicClient({ transport: http(url) }).getChainId();
  const chain = { id, name: 'market', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [url] } } };
  const node = createPublicClient({ chain, transport: http(url) });
  const number = await node.readContract({ address: MARKET, abi, functionName: 'accountOf', args: [account.address, 0] });
  if (number === 0) throw new Error(`${account.address} has no account in the market: call openAccount(0) and deposit first`);
  const settings = { instrument: Number(process.argv[2] ?? 2), levels: 5, lots: 100n, spreadPpm: 500, leanPpm: 500 };
  const maker = new Maker(url, account, chain, number, settings);
  await maker.start();
  console.log(`quoting ${settings.levels} levels on each side of instrument ${settings.instrument}`);
  process.once('SIGINT', () => maker.stop());
}

if (import.meta.main ?? process.argv[1] === new URL(import.meta.url).pathname) await main();
