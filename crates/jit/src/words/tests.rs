//! Every operation, compiled for operands of every shape and run on words at the edges, gives what the interpreter gives.

use super::{Limb, Shared, Word, Words};
use alloy_primitives::U256;
use cranelift_codegen::ir::{AbiParam, InstBuilder, UserFuncName, Value, types::I64};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, default_libcall_names};
use rialto_vm::arith;

/// What is known of an operand while compiling.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Full,
    /// So many limbs, zeros above.
    Limbs(usize),
    /// A limb of so many bits.
    Bits(u32),
    /// A 0 or 1.
    Flag,
    /// The lowest limb is 0.
    LowZero,
    /// The lowest limb is full.
    LowFull,
    /// The highest limb is full, so it is negative.
    Negative,
    /// Two constants between two limbs that are not.
    Mixed,
    /// Limbs 1 to 3 are the same one.
    Spread,
    Constant(U256),
}

const SHAPES: [Shape; 12] = [
    Shape::Full,
    Shape::Limbs(1),
    Shape::Limbs(2),
    Shape::Limbs(3),
    Shape::Bits(8),
    Shape::Bits(63),
    Shape::Flag,
    Shape::LowZero,
    Shape::LowFull,
    Shape::Negative,
    Shape::Mixed,
    Shape::Spread,
];

const FEW_SHAPES: [Shape; 5] = [Shape::Full, Shape::Limbs(1), Shape::Bits(31), Shape::Flag, Shape::Negative];

impl Shape {
    /// The word that an operand of this shape has if it is made of `word`.
    fn of(self, word: U256) -> U256 {
        let [a, b, c, d] = word.into_limbs();
        U256::from_limbs(match self {
            Shape::Full => [a, b, c, d],
            Shape::Limbs(1) => [a, 0, 0, 0],
            Shape::Limbs(2) => [a, b, 0, 0],
            Shape::Limbs(_) => [a, b, c, 0],
            Shape::Bits(bits) => [a & ((1 << bits) - 1), 0, 0, 0],
            Shape::Flag => [u64::from(a < b), 0, 0, 0],
            Shape::LowZero => [0, b, c, d],
            Shape::LowFull => [u64::MAX, b, c, d],
            Shape::Negative => [a, b, c, u64::MAX],
            Shape::Mixed => [a, 0, 7, d],
            Shape::Spread => [a, b, b, b],
            Shape::Constant(constant) => return constant,
        })
    }

    /// The operand of this shape, of the word at `pointer` + `offset`.
    fn load(self, words: &mut Words<'_, '_>, pointer: Value, offset: i32) -> Word {
        let [a, b, c, d] = words.load(pointer, offset).0;
        let constant = Limb::Const;
        Word(match self {
            Shape::Full => [a, b, c, d],
            Shape::Limbs(1) => [a, constant(0), constant(0), constant(0)],
            Shape::Limbs(2) => [a, b, constant(0), constant(0)],
            Shape::Limbs(_) => [a, b, c, constant(0)],
            Shape::Bits(bits) => {
                let limb = words.and_limb(a, constant((1 << bits) - 1));
                assert_eq!(limb.bits(), bits);
                return Word::narrow(limb);
            }
            Shape::Flag => {
                let flag = words.lt(Word::narrow(a), Word::narrow(b));
                assert!(matches!(flag.0[0], Limb::Bool(_)));
                return flag;
            }
            Shape::LowZero => [constant(0), b, c, d],
            Shape::LowFull => [constant(u64::MAX), b, c, d],
            Shape::Negative => [a, b, c, constant(u64::MAX)],
            Shape::Mixed => [a, constant(0), constant(7), d],
            Shape::Spread => [a, b, b, b],
            Shape::Constant(word) => return Word::constant(word),
        })
    }
}

type Emit = fn(&mut Words<'_, '_>, [Word; 3]) -> Word;
type Define = fn([U256; 3]) -> U256;

struct Operation {
    name: &'static str,
    operands: usize,
    emit: Emit,
    define: Define,
}

macro_rules! operations {
    ($($name:ident $arity:tt: $define:expr;)+) => {
        [$(Operation {
            name: stringify!($name),
            operands: $arity,
            emit: operations!(@emit $name $arity),
            define: $define,
        }),+]
    };
    (@emit $name:ident 1) => { |words, [a, _, _]| words.$name(a) };
    (@emit $name:ident 2) => { |words, [a, b, _]| words.$name(a, b) };
    (@emit $name:ident 3) => { |words, [a, b, c]| words.$name(a, b, c) };
}

fn operations() -> [Operation; 30] {
    operations! {
        add 2: |[a, b, _]| a.wrapping_add(b);
        sub 2: |[a, b, _]| a.wrapping_sub(b);
        mul 2: |[a, b, _]| arith::mul(a, b);
        div 2: |[a, b, _]| arith::div(&a, &b);
        sdiv 2: |[a, b, _]| arith::sdiv(&a, &b);
        rem 2: |[a, b, _]| arith::rem(&a, &b);
        smod 2: |[a, b, _]| arith::smod(&a, &b);
        exp 2: |[a, b, _]| arith::exp(&a, &b);
        signextend 2: |[a, b, _]| arith::signextend(a, b);
        lt 2: |[a, b, _]| U256::from(a < b);
        gt 2: |[a, b, _]| U256::from(a > b);
        slt 2: |[a, b, _]| U256::from(arith::slt(a, b));
        sgt 2: |[a, b, _]| U256::from(arith::sgt(a, b));
        eq 2: |[a, b, _]| U256::from(a == b);
        and 2: |[a, b, _]| a & b;
        or 2: |[a, b, _]| a | b;
        xor 2: |[a, b, _]| a ^ b;
        byte 2: |[a, b, _]| arith::byte(a, b);
        shl 2: |[a, b, _]| arith::shl(a, b);
        shr 2: |[a, b, _]| arith::shr(a, b);
        sar 2: |[a, b, _]| arith::sar(a, b);
        iszero 1: |[a, _, _]| U256::from(a.is_zero());
        not 1: |[a, _, _]| !a;
        clz 1: |[a, _, _]| arith::clz(a);
        addmod 3: |[a, b, m]| arith::addmod(&a, &b, &m);
        mulmod 3: |[a, b, m]| arith::mulmod(&a, &b, &m);
        product_div 2: |[a, b, _]| arith::div(&arith::mul(a, b), &a);
        product_div_second 2: |[a, b, _]| arith::div(&arith::mul(a, b), &b);
        product_sdiv 2: |[a, b, _]| arith::sdiv(&arith::mul(a, b), &a);
        double_iszero 1: |[a, _, _]| U256::from(!a.is_zero());
    }
}

impl Words<'_, '_> {
    fn product_div(&mut self, a: Word, b: Word) -> Word {
        let product = self.mul(a, b);
        self.div(product, a)
    }

    fn product_div_second(&mut self, a: Word, b: Word) -> Word {
        let product = self.mul(a, b);
        self.div(product, b)
    }

    fn product_sdiv(&mut self, a: Word, b: Word) -> Word {
        let product = self.mul(a, b);
        self.sdiv(product, a)
    }

    fn double_iszero(&mut self, a: Word) -> Word {
        let zero = self.iszero(a);
        let word = self.iszero(zero);
        let nonzero = self.is_nonzero(word);
        let flag = self.builder.ins().icmp_imm_u(cranelift_codegen::ir::condcodes::IntCC::NotEqual, nonzero, 0);
        Word::from_bool(flag)
    }
}

/// Words at the edges of limbs, of signs and of the operations' special cases.
fn words() -> Vec<U256> {
    let mut words: Vec<U256> =
        [0u64, 1, 2, 3, 8, 10, 31, 32, 64, 255, 256, 1 << 32, 1 << 63, u64::MAX].map(U256::from).to_vec();
    for bit in [64, 96, 127, 128, 160, 192, 255] {
        words.extend([U256::ONE << bit, (U256::ONE << bit) - U256::ONE]);
    }
    for bit in [20usize, 63, 127] {
        words.extend([U256::MAX << bit, (U256::MAX << bit) - U256::ONE]);
    }
    words.extend([U256::MAX, U256::MAX - U256::ONE, U256::MAX << 64, U256::from(10).pow(U256::from(18))]);
    // Limbs of a multiplicative sequence stand for any.
    let mut limb = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..6 {
        let limbs = [(); 4].map(|()| {
            limb = limb.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
            limb
        });
        words.push(U256::from_limbs(limbs));
    }
    words
}

/// One machine function for some shapes of the operands: reads operands, writes one result for each row of shapes.
struct Compiled {
    module: Option<JITModule>,
    code: unsafe extern "C" fn(*const [U256; 3], *mut U256),
}

impl Compiled {
    fn new(operation: &Operation, rows: &[[Shape; 3]], shared: fn() -> Shared) -> Self {
        let mut flags = settings::builder();
        flags.set("opt_level", "none").unwrap();
        let isa = cranelift_native::builder().unwrap().finish(settings::Flags::new(flags)).unwrap();
        let mut module = JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()));
        let mut context = module.make_context();
        context.func.signature.params.extend([AbiParam::new(I64), AbiParam::new(I64)]);
        context.func.name = UserFuncName::user(0, 0);
        let mut frontend = FunctionBuilderContext::new();
        let mut builder = FunctionBuilder::new(&mut context.func, &mut frontend);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let (operands, results) = (builder.block_params(entry)[0], builder.block_params(entry)[1]);
        let mut shared = shared();
        for (shapes, row) in rows.iter().zip(0..) {
            let mut words = Words { builder: &mut builder, shared: &mut shared };
            let loaded = [0, 1, 2].map(|i| shapes[i as usize].load(&mut words, operands, 32 * i));
            let result = (operation.emit)(&mut words, loaded);
            words.store(result, results, 32 * row);
        }
        builder.ins().return_(&[]);
        builder.finalize(module.target_config());
        let id = module.declare_anonymous_function(&context.func.signature).unwrap();
        module.define_function(id, &mut context).unwrap();
        module.finalize_definitions().unwrap();
        let code = module.get_finalized_function(id);
        // SAFETY: the function has been built with this signature.
        let code =
            unsafe { core::mem::transmute::<*const u8, unsafe extern "C" fn(*const [U256; 3], *mut U256)>(code) };
        Self { module: Some(module), code }
    }

    fn run(&self, operands: [U256; 3], results: &mut [U256]) {
        // SAFETY: it reads three words and writes one for each row, which there is room for.
        unsafe { (self.code)(&operands, results.as_mut_ptr()) }
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        // SAFETY: the code is only run through this value.
        unsafe { self.module.take().expect("dropped once").free_memory() }
    }
}

/// All rows of shapes that an operation is compiled for.
fn rows(operation: &Operation, constants: &[U256]) -> Vec<[Shape; 3]> {
    let unused = Shape::Constant(U256::ZERO);
    let constants = constants.iter().map(|constant| Shape::Constant(*constant));
    let many: Vec<Shape> = SHAPES.into_iter().chain(constants.clone()).collect();
    let few: Vec<Shape> = FEW_SHAPES.into_iter().chain(constants.step_by(7)).collect();
    match operation.operands {
        1 => many.into_iter().map(|a| [a, unused, unused]).collect(),
        2 => {
            let pairs = many.iter().flat_map(|a| many.iter().map(|b| [*a, *b, unused]));
            // Of two constants nothing is compiled, so not all pairs need a place in a function.
            let is_constant = |shape: &Shape| matches!(shape, Shape::Constant(_));
            let of_constants = |row: &[Shape; 3]| row.iter().all(is_constant);
            let some = pairs.clone().filter(of_constants).step_by(3);
            pairs.filter(|row| !of_constants(row)).chain(some).collect()
        }
        _ => few.iter().flat_map(|a| few.iter().flat_map(|b| few.iter().map(|c| [*a, *b, *c]))).collect(),
    }
}

/// The values that operands are made of: all pairs, or triples of some.
fn values(operation: &Operation, words: &[U256]) -> Vec<[U256; 3]> {
    let zero = U256::ZERO;
    match operation.operands {
        1 => words.iter().map(|a| [*a, zero, zero]).collect(),
        2 => words.iter().flat_map(|a| words.iter().map(|b| [*a, *b, zero])).collect(),
        _ => {
            let some = || words.iter().step_by(4);
            some().flat_map(|a| some().flat_map(|b| some().map(|c| [*a, *b, *c]))).collect()
        }
    }
}

fn check(operation: &Operation, shared: fn() -> Shared) {
    let words = words();
    let values = values(operation, &words);
    let mut rows = rows(operation, &words);
    // Rows that have constants in the same places stand together, and are not run with values that they don't look at.
    let constants = |row: &[Shape; 3]| row.map(|shape| matches!(shape, Shape::Constant(_)));
    rows.sort_by_key(constants);
    for rows in rows.chunk_by(|a, b| constants(a) == constants(b)).flat_map(|rows| rows.chunks(64)) {
        let is_fixed = constants(&rows[0]);
        let compiled = Compiled::new(operation, rows, shared);
        let mut results = [U256::ZERO; 64];
        for value in values.iter().filter(|value| (0..3).all(|i| !is_fixed[i] || value[i] == words[0])) {
            compiled.run(*value, &mut results);
            for (shapes, result) in rows.iter().zip(results) {
                let operands = [0, 1, 2].map(|i| shapes[i].of(value[i]));
                let expected = (operation.define)(operands);
                assert_eq!(result, expected, "{} {operands:x?} of {shapes:?}", operation.name);
            }
        }
    }
}

#[test]
fn compiled_operations_are_the_interpreter_s() {
    for operation in operations() {
        check(&operation, || Shared { inline_products: u32::MAX, ..Shared::default() });
    }
}

#[test]
fn products_beyond_the_budget_are_called() {
    let operations = operations();
    let multiply = operations.iter().find(|operation| operation.name == "mul").expect("there is one");
    check(multiply, || Shared { inline_products: 0, ..Shared::default() });
}
