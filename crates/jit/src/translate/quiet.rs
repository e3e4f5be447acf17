//! Functions that keep all registers, for what is out of line and rare: calls of them do not disturb the allocation of
//! registers around.
//!
//! Memory mostly grows by a word or two, over zeros that are ready: that is a price to work out and a length to store, and
//! takes few registers. Whatever is more is a helper's, and takes all of them to be stored.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{AbiParam, Function, InstBuilder, MemFlagsData, Signature, Value, types::I64};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use rialto_vm::native::{self, layout};

/// Their addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    /// Machine, offset, length, gas: memory is to reach so far and does not; the gas left is in the machine then.
    pub grow_memory: usize,
    /// Machine, offset: the word of call data there is in the machine then.
    pub call_data: usize,
}

fn signature(call_conv: CallConv, parameters: usize) -> Signature {
    let mut signature = Signature::new(call_conv);
    signature.params.extend(vec![AbiParam::new(I64); parameters]);
    signature
}

fn begin<'f, const N: usize>(
    function: &'f mut Function,
    context: &'f mut FunctionBuilderContext,
) -> (FunctionBuilder<'f>, [Value; N]) {
    function.signature = signature(CallConv::PreserveAll, N);
    let mut builder = FunctionBuilder::new(function, context);
    let start = builder.create_block();
    builder.append_block_params_for_function_params(start);
    builder.switch_to_block(start);
    let arguments = builder.block_params(start).try_into().expect("as many as the signature has");
    (builder, arguments)
}

/// Reads call data by the helper.
pub(crate) fn translate_call_data(
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) {
    let (mut builder, arguments) = begin::<2>(function, context);
    let helper_signature = builder.import_signature(signature(CallConv::SystemV, 2));
    let helper = builder.ins().iconst(I64, native::call_data_bytes as *const () as i64);
    builder.ins().call_indirect(helper_signature, helper, &arguments);
    builder.ins().return_(&[]);
    builder.seal_all_blocks();
    builder.finalize(config);
}

/// Grows memory by the helper.
pub(crate) fn translate_any_growth(
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) {
    let (mut builder, arguments) = begin::<4>(function, context);
    let mut helper_signature = signature(CallConv::SystemV, 4);
    helper_signature.returns.push(AbiParam::new(I64));
    let helper_signature = builder.import_signature(helper_signature);
    let helper = builder.ins().iconst(I64, native::grow_memory as *const () as i64);
    let call = builder.ins().call_indirect(helper_signature, helper, &arguments);
    let gas = builder.inst_results(call)[0];
    builder.ins().store(MemFlagsData::trusted(), gas, arguments[0], layout::GAS as i32);
    builder.ins().return_(&[]);
    builder.seal_all_blocks();
    builder.finalize(config);
}

/// Grows memory where zeros are ready for it and the gas suffices, and by the function at `any` otherwise.
pub(crate) fn translate_growth(
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
    any: usize,
) {
    let (mut builder, arguments) = begin(function, context);
    let [vm, offset, len, gas] = arguments;
    let (near, ready, paid, other) =
        (builder.create_block(), builder.create_block(), builder.create_block(), builder.create_block());
    builder.set_cold_block(other);
    let flags = MemFlagsData::trusted();

    // What is near does not overflow.
    let high = builder.ins().ushr_imm_u(offset, 32);
    builder.ins().brif(high, other, &[], near, &[]);
    builder.switch_to_block(near);
    let end = builder.ins().iadd(offset, len);
    let end = builder.ins().iadd_imm_s(end, 31);
    let words = builder.ins().ushr_imm_u(end, 5);
    let bytes = builder.ins().ishl_imm_u(words, 5);
    let there = builder.ins().load(I64, flags, vm, layout::MEMORY_READY as i32);
    let is_beyond = builder.ins().icmp(IntCC::UnsignedGreaterThan, bytes, there);
    builder.ins().brif(is_beyond, other, &[], ready, &[]);

    // 3 gas for a word, and the square of the words by 512.
    builder.switch_to_block(ready);
    let before = builder.ins().load(I64, flags, vm, layout::MEMORY_LEN as i32);
    let words_before = builder.ins().ushr_imm_u(before, 5);
    let mut price = |words: Value| {
        let linear = builder.ins().imul_imm_u(words, 3);
        let square = builder.ins().imul(words, words);
        let square = builder.ins().ushr_imm_u(square, 9);
        builder.ins().iadd(linear, square)
    };
    let (price, price_before) = (price(words), price(words_before));
    let price = builder.ins().isub(price, price_before);
    let is_short = builder.ins().icmp(IntCC::UnsignedLessThan, gas, price);
    builder.ins().brif(is_short, other, &[], paid, &[]);

    builder.switch_to_block(paid);
    let gas = builder.ins().isub(gas, price);
    let word_offsets = builder.ins().iadd_imm_s(bytes, -31);
    for (value, field) in [(gas, layout::GAS), (bytes, layout::MEMORY_LEN), (word_offsets, layout::MEMORY_WORD_OFFSETS)]
    {
        builder.ins().store(flags, value, vm, field as i32);
    }
    builder.ins().return_(&[]);

    builder.switch_to_block(other);
    let any_signature = builder.import_signature(signature(CallConv::PreserveAll, 4));
    let any = builder.ins().iconst(I64, any as i64);
    builder.ins().call_indirect(any_signature, any, &arguments);
    builder.ins().return_(&[]);
    builder.seal_all_blocks();
    builder.finalize(config);
}
