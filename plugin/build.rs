//! How the plugin's module is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A host thread that has run Rust code of ours cleans up after it when it ends. Hosts that scan may have unloaded
    // the module by then; so that the code is still there, the loader is asked never to drop it. macOS keeps modules
    // with thread-local data anyway, and Windows tells modules of ending threads while they are loaded.
    let elf = std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family.contains("unix"))
        && std::env::var("CARGO_CFG_TARGET_VENDOR").is_ok_and(|vendor| vendor != "apple");
    if elf {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
