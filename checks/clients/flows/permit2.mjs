// Permit2: a transfer by signature, an allowance by signature, and a signature that was used before.
import { parseEther } from 'viem';
import { accounts, artifact, chain, deploy, fails, fixTime, mined, record } from '../harness.mjs';

const [alice, bob, carol] = accounts;
const deadline = 5_000_000_000n;
await fixTime();

const token = await deploy('deploy the token', artifact('Token'), ['Coin', 'COIN', parseEther('1000')]);
const permit2 = await deploy('deploy Permit2', artifact('Permit2'), [], bob);
await mined('approve Permit2', await token.write.approve([permit2.address, 2n ** 256n - 1n]));
const domain = { name: 'Permit2', chainId: chain.id, verifyingContract: permit2.address };

const TokenPermissions = [{ name: 'token', type: 'address' }, { name: 'amount', type: 'uint256' }];
const permitted = { token: token.address, amount: parseEther('30') };
const signature = await alice.signTypedData({
  domain,
  primaryType: 'PermitTransferFrom',
  types: {
    TokenPermissions,
    PermitTransferFrom: [
      { name: 'permitted', type: 'TokenPermissions' },
      { name: 'spender', type: 'address' },
      { name: 'nonce', type: 'uint256' },
      { name: 'deadline', type: 'uint256' },
    ],
  },
  message: { permitted, spender: bob.address, nonce: 7n, deadline },
});
const byPermit = [
  { permitted, nonce: 7n, deadline }, { to: carol.address, requestedAmount: parseEther('12') }, alice.address, signature,
];
await mined('permitTransferFrom', await permit2.write.permitTransferFrom(byPermit));
await fails('the same permit again', permit2.simulate.permitTransferFrom(byPermit, { account: bob }));

const details = { token: token.address, amount: parseEther('8'), expiration: 4_900_000_000, nonce: 0 };
const PermitDetails = [
  { name: 'token', type: 'address' },
  { name: 'amount', type: 'uint160' },
  { name: 'expiration', type: 'uint48' },
  { name: 'nonce', type: 'uint48' },
];
const single = { details, spender: bob.address, sigDeadline: deadline };
const allowance = await alice.signTypedData({
  domain,
  primaryType: 'PermitSingle',
  types: {
    PermitDetails,
    PermitSingle: [
      { name: 'details', type: 'PermitDetails' },
      { name: 'spender', type: 'address' },
      { name: 'sigDeadline', type: 'uint256' },
    ],
  },
  message: single,
});
await mined('permit', await permit2.write.permit([alice.address, single, allowance]));
await mined('transferFrom', await permit2.write.transferFrom([alice.address, carol.address, parseEther('5'), token.address]));
await fails('more than was allowed', permit2.simulate.transferFrom(
  [alice.address, carol.address, parseEther('5'), token.address], { account: bob },
));
record('received', await token.read.balanceOf([carol.address]));
record('allowance', await permit2.read.allowance([alice.address, token.address, bob.address]));
record('bitmap', await permit2.read.nonceBitmap([alice.address, 0n]));
