// OpenZeppelin's ERC-20 with permits, ERC-721, and a vault behind a proxy.
import { encodeFunctionData, getContract, parseEther, parseSignature } from 'viem';
import { accounts, artifact, chain, deploy, fails, fixTime, mined, node, record, wallet } from '../harness.mjs';

const [alice, bob, carol] = accounts;
await fixTime();

const token = await deploy('deploy the token', artifact('Token'), ['Coin', 'COIN', parseEther('1000000')]);
await mined('transfer', await token.write.transfer([bob.address, parseEther('10')]));
await mined('approve', await token.write.approve([bob.address, parseEther('5')]));
const asBob = { account: bob };
await mined('transferFrom', await wallet(bob).writeContract({
  address: token.address, abi: token.abi, functionName: 'transferFrom', args: [alice.address, carol.address, parseEther('4')],
}));
await mined('burn', await token.write.burn([parseEther('1')]));
await fails('more than the allowance', token.simulate.transferFrom([alice.address, carol.address, parseEther('2')], asBob));
await mined('a transfer that is mined and fails', await wallet(bob).writeContract({
  address: token.address, abi: token.abi, functionName: 'transfer', args: [carol.address, parseEther('11')], gas: 100_000n,
}), 'reverted');

const permit = { owner: alice.address, spender: carol.address, value: parseEther('3'), nonce: 0n, deadline: 5_000_000_000n };
const signature = parseSignature(await alice.signTypedData({
  domain: { name: 'Coin', version: '1', chainId: chain.id, verifyingContract: token.address },
  primaryType: 'Permit',
  types: {
    Permit: [
      { name: 'owner', type: 'address' },
      { name: 'spender', type: 'address' },
      { name: 'value', type: 'uint256' },
      { name: 'nonce', type: 'uint256' },
      { name: 'deadline', type: 'uint256' },
    ],
  },
  message: permit,
}));
await mined('permit', await token.write.permit(
  [permit.owner, permit.spender, permit.value, permit.deadline, Number(signature.v), signature.r, signature.s],
));
for (const who of [alice, bob, carol]) record('balance', await token.read.balanceOf([who.address]));
record('allowance', await token.read.allowance([alice.address, carol.address]));
record('supply', await token.read.totalSupply());

const pieces = await deploy('deploy the collectible', artifact('Collectible'), [alice.address]);
const shelf = await deploy('deploy the shelf', artifact('Shelf'));
await mined('mint to an account', await pieces.write.mint([alice.address]));
await mined('mint to a contract', await pieces.write.mint([shelf.address]));
await mined('mint once more', await pieces.write.mint([alice.address]));
await mined('safeTransferFrom', await pieces.write.safeTransferFrom([alice.address, shelf.address, 1n]));
await fails('mint by a stranger', pieces.simulate.mint([bob.address], asBob));
await fails('a piece to a contract that takes none', pieces.simulate.safeTransferFrom([alice.address, token.address, 3n]));
record('owner', await pieces.read.ownerOf([1n]));
record('address of a piece', await pieces.read.tokenURI([3n]));
record('last on the shelf', await shelf.read.last());

const vaultArtifact = artifact('Vault');
const code = await deploy('deploy the code of the vault', vaultArtifact);
const start = encodeFunctionData({ abi: vaultArtifact.abi, functionName: 'initialize', args: [token.address, alice.address] });
const proxy = await deploy('deploy the proxy', artifact('ERC1967Proxy'), [code.address, start]);
const vault = getContract({ address: proxy.address, abi: vaultArtifact.abi, client: { public: node, wallet: wallet(alice) } });
await mined('approve the vault', await token.write.approve([vault.address, parseEther('100')]));
await mined('deposit', await vault.write.deposit([parseEther('100')]));
await mined('withdraw', await vault.write.withdraw([parseEther('40')]));
const second = await deploy('deploy the next code', vaultArtifact);
await mined('upgrade', await vault.write.upgradeToAndCall([second.address, '0x']));
record('deposit after the upgrade', await vault.read.deposits([alice.address]));
const slot = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc';
record('the slot of the code', await node.getStorageAt({ address: vault.address, slot }));

const transfers = await token.getEvents.Transfer({}, { fromBlock: 0n, toBlock: 'latest' });
record('transfers', transfers.map(({ args, blockNumber, logIndex }) => ({ args, blockNumber, logIndex })));
const filtered = await token.getEvents.Transfer({ to: carol.address }, { fromBlock: 0n, toBlock: 'latest' });
record('transfers to one account', filtered.map(({ args, blockNumber }) => ({ args, blockNumber })));
