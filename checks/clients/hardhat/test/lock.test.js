// Deploys through Hardhat's network connection, and moves the node's time and state with Hardhat's helpers.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { network } from 'hardhat';
import { record } from '../../harness.mjs';

const { ethers, networkHelpers: helpers, provider } = await network.create();
const plain = ({ type, status, gasUsed, contractAddress, logs }) => ({
  type, status, gasUsed, contractAddress, logs: logs.map(({ address, topics, data }) => ({ address, topics, data })),
});

describe('Lock', () => {
  let lock, owner, other, unlockTime;

  before(async () => {
    await provider.request({ method: 'evm_setNextBlockTimestamp', params: [4_000_000_000] });
    [owner, other] = await ethers.getSigners();
    unlockTime = 4_000_000_000 + 86_400;
    lock = await ethers.deployContract('Lock', [unlockTime], { value: 1_000n });
    record('deploy', plain(await lock.deploymentTransaction().wait()));
  });

  it('keeps what it was given', async () => {
    assert.equal(await lock.unlockTime(), BigInt(unlockTime));
    assert.equal(await lock.owner(), owner.address);
    assert.equal(await ethers.provider.getBalance(await lock.getAddress()), 1_000n);
  });

  it('is locked until its time', async () => {
    await assert.rejects(lock.withdraw.staticCall(), ({ message }) => /revert/.test(message));
  });

  it('is unlocked after it, and a snapshot brings the lock back', async () => {
    const snapshot = await helpers.takeSnapshot();
    await helpers.time.increaseTo(unlockTime);
    assert.equal(await helpers.time.latest(), unlockTime);
    await assert.rejects(lock.connect(other).withdraw.staticCall(), ({ message }) => message.includes('not the owner'));
    await helpers.time.setNextBlockTimestamp(unlockTime + 10);
    record('withdraw', plain(await (await lock.withdraw()).wait()));
    assert.equal(await ethers.provider.getBalance(await lock.getAddress()), 0n);
    await snapshot.restore();
    assert.equal(await ethers.provider.getBalance(await lock.getAddress()), 1_000n);
    assert.ok((await helpers.time.latest()) < unlockTime);
  });

  it('shares what a fixture made', async () => {
    // Mined before the snapshot is taken: a node may answer a deployment's hash first.
    const made = async () => (await ethers.deployContract('Lock', [unlockTime + 1])).waitForDeployment();
    const first = await helpers.loadFixture(made);
    const nonce = await ethers.provider.getTransactionCount(owner.address);
    const second = await helpers.loadFixture(made);
    assert.equal(await first.getAddress(), await second.getAddress());
    assert.equal(await ethers.provider.getTransactionCount(owner.address), nonce);
  });

  it('mines, and writes state', async () => {
    const start = await helpers.time.latestBlock();
    await helpers.mine(5);
    await helpers.mineUpTo(start + 8);
    assert.equal(await helpers.time.latestBlock(), start + 8);
    await helpers.mine(2000, { interval: 60 });
    assert.equal(await helpers.time.latestBlock(), start + 2008);
    const at = '0x00000000000000000000000000000000000c0de5';
    await helpers.setBalance(at, 10n ** 18n);
    await helpers.setCode(at, await ethers.provider.getCode(await lock.getAddress()));
    await helpers.setStorageAt(at, 7, 99);
    await helpers.setNonce(at, 5);
    assert.equal(await helpers.getStorageAt(at, 7), `0x${'00'.repeat(31)}63`);
    assert.equal(await ethers.provider.getTransactionCount(at), 5);
    await helpers.impersonateAccount(at);
    const sent = await (await ethers.getSigner(at)).sendTransaction({ to: other.address, value: 3n });
    record('impersonated', plain(await sent.wait()));
    await helpers.stopImpersonatingAccount(at);
    await helpers.setNextBlockBaseFeePerGas(7_000_000_000);
    await helpers.setCoinbase(at);
    await helpers.mine();
    const block = await ethers.provider.getBlock('latest');
    record('block', [block.baseFeePerGas, block.miner, block.number - start]);
  });
});
