//! The compiler tier: hot bytecode as native code, exact to the unit of gas.
