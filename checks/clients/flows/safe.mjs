// A Safe: two of three owners sign a transaction that moves Ether and tokens; a batch through MultiSend.
import { concat, encodeFunctionData, encodePacked, getContract, parseEther, size } from 'viem';
import { accounts, artifact, chain, deploy, fails, fixTime, mined, node, record, wallet } from '../harness.mjs';

const [alice, bob, carol, dave] = accounts;
const none = '0x0000000000000000000000000000000000000000';
const safeArtifact = (path) => artifact(`@safe-global/safe-contracts/build/artifacts/contracts/${path}.sol/${path.split('/').at(-1)}.json`);
await fixTime();

const singleton = await deploy('deploy the singleton', safeArtifact('Safe'));
const factory = await deploy('deploy the factory', safeArtifact('proxies/SafeProxyFactory'));
const handler = await deploy('deploy the handler', safeArtifact('handler/CompatibilityFallbackHandler'));
const multiSend = await deploy('deploy MultiSend', safeArtifact('libraries/MultiSend'));
const token = await deploy('deploy a token', artifact('Token'), ['Coin', 'COIN', parseEther('1000')]);

const setup = encodeFunctionData({
  abi: singleton.abi,
  functionName: 'setup',
  args: [[alice.address, bob.address, carol.address], 2n, none, '0x', handler.address, none, 0n, none],
});
const args = [singleton.address, setup, 42n];
const { result: address } = await factory.simulate.createProxyWithNonce(args);
await mined('make the Safe', await factory.write.createProxyWithNonce(args));
record('safe', address);
const safe = getContract({ address, abi: singleton.abi, client: { public: node, wallet: wallet(dave) } });
await mined('fund it', await wallet(alice).sendTransaction({ to: address, value: parseEther('3') }));
await mined('give it tokens', await token.write.transfer([address, parseEther('50')]));

const names = ['to', 'value', 'data', 'operation', 'safeTxGas', 'baseGas', 'gasPrice', 'gasToken', 'refundReceiver', 'nonce'];
const types = ['address', 'uint256', 'bytes', 'uint8', 'uint256', 'uint256', 'uint256', 'address', 'address', 'uint256'];
async function sign(call, owners) {
  const message = { safeTxGas: 0n, baseGas: 0n, gasPrice: 0n, gasToken: none, refundReceiver: none, ...call };
  const sorted = [...owners].sort((x, y) => (x.address.toLowerCase() < y.address.toLowerCase() ? -1 : 1));
  const signatures = await Promise.all(sorted.map((owner) => owner.signTypedData({
    domain: { chainId: chain.id, verifyingContract: address },
    primaryType: 'SafeTx',
    types: { SafeTx: names.map((name, i) => ({ name, type: types[i] })) },
    message,
  })));
  return [...names.slice(0, -1).map((name) => message[name]), concat(signatures)];
}

const pay = { to: dave.address, value: parseEther('1'), data: '0x', operation: 0, nonce: 0n };
await fails('one signature of two', safe.simulate.execTransaction(await sign(pay, [alice]), { account: dave }));
await mined('pay with two signatures', await safe.write.execTransaction(await sign(pay, [alice, carol])));
const transfer = encodeFunctionData({ abi: token.abi, functionName: 'transfer', args: [dave.address, parseEther('20')] });
const steps = [
  { to: token.address, value: 0n, data: transfer },
  { to: dave.address, value: parseEther('0.5'), data: '0x' },
  { to: address, value: 0n, data: encodeFunctionData({ abi: singleton.abi, functionName: 'changeThreshold', args: [3n] }) },
];
const packed = concat(steps.map(({ to, value, data }) => encodePacked(
  ['uint8', 'address', 'uint256', 'uint256', 'bytes'], [0, to, value, BigInt(size(data)), data],
)));
const batch = {
  to: multiSend.address, value: 0n, operation: 1, nonce: 1n,
  data: encodeFunctionData({ abi: multiSend.abi, functionName: 'multiSend', args: [packed] }),
};
await mined('a batch', await safe.write.execTransaction(await sign(batch, [bob, carol])));
record('threshold', await safe.read.getThreshold());
record('nonce', await safe.read.nonce());
record('tokens', await token.read.balanceOf([dave.address]));
record('Ether', await node.getBalance({ address }));
