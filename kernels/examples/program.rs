//! Prints the program text as a device gets it, for `check.sh` and other tools.

fn main() {
    print!("{}", hummingbird_kernels::program_source());
}
