use std::path::PathBuf;
fn main() {
    let mut args = std::env::args().skip(1);
    let model = args.next();
    let text = args.next();
    let library = kshot::prompt::Library::load(None);
    let hub = kshot::hub::Hub::new(kshot::hub::HubConfig::from_env().unwrap());
    let code = kshot::ui::run(kshot::ui::Options {
        model,
        text,
        settings: Default::default(),
        stop: vec![],
        library,
        warnings: vec![],
        hub,
        special: kshot::text::SpecialTokens::Parse,
        log: None::<PathBuf>,
    });
    match code {
        Ok(c) => std::process::exit(c.into()),
        Err(e) => {
            eprintln!("{e:#}");
            std::process::exit(1)
        }
    }
}
