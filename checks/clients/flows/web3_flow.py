"""web3.py: deploying, calling, receipts' events, filters, errors and middleware for signing."""
import json
import os
import pathlib

from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, ContractLogicError, TransactionNotFound
from web3.middleware import SignAndSendRawMiddlewareBuilder


def record(label, value):
    """One line of the transcript, in the form that every flow has."""
    print(json.dumps({"label": label, "value": value}, default=plain))


def plain(value):
    if isinstance(value, bytes):
        return "0x" + bytes(value).hex()
    return {key: value[key] for key in value}


web3 = Web3(HTTPProvider(os.environ.get("RPC_URL", "http://127.0.0.1:8545")))
assert web3.is_connected()
web3.provider.make_request("evm_setNextBlockTimestamp", [4_000_000_000])
web3.provider.make_request("anvil_setBlockTimestampInterval", [12])
Account.enable_unaudited_hdwallet_features()
WORDS = "test test test test test test test test test test test junk"
alice, bob = (Account.from_mnemonic(WORDS, account_path=f"m/44'/60'/0'/0/{i}") for i in range(2))
web3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(alice), layer=0)


def mined(label, sent, status=1):
    receipt = web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
    logs = [{key: log[key] for key in ("address", "topics", "data", "logIndex")} for log in receipt.logs]
    record(label, [receipt.type, receipt.status, receipt.gasUsed, receipt.contractAddress, logs])
    assert receipt.status == status, label
    return receipt


artifact = json.loads((pathlib.Path(__file__).parent.parent / "artifacts/Ledger.json").read_text())
factory = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
receipt = mined("deploy", factory.constructor(3).transact({"from": alice.address, "value": 2}))
ledger = web3.eth.contract(address=receipt.contractAddress, abi=artifact["abi"])
new_blocks = web3.eth.filter("latest")
start = web3.eth.block_number
new_logs = ledger.events.Written.create_filter(from_block="latest")
written = mined("write", ledger.functions.write(1, 10, "signed here").transact({"from": alice.address}))
record("event", ledger.events.Written().process_receipt(written)[0].args)
mined("write by the node", ledger.functions.write(2, 20, "signed there").transact({"from": bob.address}))
mined("Ether", web3.eth.send_transaction({"from": bob.address, "to": ledger.address, "value": 9}))
raw = bob.sign_transaction({
    "to": ledger.address, "value": 1, "gas": 50_000, "nonce": web3.eth.get_transaction_count(bob.address),
    "maxFeePerGas": web3.to_wei(10, "gwei"), "maxPriorityFeePerGas": 1, "chainId": web3.eth.chain_id,
})
mined("raw", web3.eth.send_raw_transaction(raw.raw_transaction))
blob = web3.eth.account.from_key(bob.key).sign_transaction({
    "type": 3, "to": ledger.address, "value": 1, "gas": 50_000, "nonce": web3.eth.get_transaction_count(bob.address),
    "maxFeePerGas": web3.to_wei(10, "gwei"), "maxPriorityFeePerGas": 1, "maxFeePerBlobGas": 10**9, "chainId": web3.eth.chain_id,
}, blobs=[b"\0" * 131_000 + b"\1" * 72])
mined("a blob", web3.eth.send_raw_transaction(blob.raw_transaction))
mined("fails in a block", ledger.functions.write(1, 2_000_000, "").transact({"from": bob.address, "gas": 100_000}), 0)

record("blocks since", len(new_blocks.get_new_entries()))
record("logs since", [entry.args for entry in new_logs.get_new_entries() if entry.blockNumber > start])
record("none since", [len(new_blocks.get_new_entries()), len(new_logs.get_new_entries())])
record("all", [entry.args for entry in ledger.events.Written.get_logs(from_block=0)])
record("one writer", [entry.args for entry in ledger.events.Written.get_logs(from_block=0, argument_filters={"writer": bob.address})])
record("read", [ledger.functions.writes().call(), ledger.functions.numbers(alice.address, 1).call()])
record("earlier", ledger.functions.writes().call(block_identifier=1))
record("with other state", ledger.functions.writes().call({}, "latest", {ledger.address: {"stateDiff": {"0x" + "00" * 31 + "01": "0x" + "00" * 31 + "63"}}}))
record("estimate", ledger.functions.write(1, 10, "again").estimate_gas({"from": alice.address}) > 21_000)
for label, call, expected in [
    ("custom error", ledger.functions.write(1, 2_000_000, ""), ContractCustomError),
    ("reason", ledger.functions.failWithReason(), ContractLogicError),
    ("panic", ledger.functions.failWithPanic(0), ContractLogicError),
]:
    try:
        call.call({"from": alice.address})
        raise AssertionError(label)
    except expected as error:
        record(label, [type(error).__name__, error.data])
try:
    web3.eth.get_transaction("0x" + "11" * 32)
    raise AssertionError("an unknown transaction was found")
except TransactionNotFound as error:
    record("no such transaction", type(error).__name__)

block = web3.eth.get_block("latest", full_transactions=True)
record("block", [block.number, block.timestamp, block.gasUsed, len(block.transactions), block.transactions[0]["from"]])
record("balance", web3.eth.get_balance(ledger.address))
record("code", len(web3.eth.get_code(ledger.address)))
record("storage", web3.eth.get_storage_at(ledger.address, 1))
history = web3.eth.fee_history(3, "latest", [25, 75])
record("fee history", [len(history.baseFeePerGas), len(history.gasUsedRatio), len(history.reward)])
record("client", isinstance(web3.client_version, str))
