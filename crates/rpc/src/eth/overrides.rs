//! State and block overrides.
