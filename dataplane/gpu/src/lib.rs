//! The accelerator trait, its OpenCL back end and the CPU-GPU row protocol.
