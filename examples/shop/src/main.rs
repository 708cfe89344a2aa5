//! The shop by hand: `shop open`, `shop order ID PRODUCT PIECES`, `shop list`.

#![expect(clippy::print_stdout, reason = "it talks to whoever starts it")]

use riverrun::Error;
use shop::{OutOfStock, Placed, Shop};

const USAGE: &str = "usage: shop open | shop order ID PRODUCT PIECES | shop list";

#[tokio::main]
async fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let shop = Shop::new(shop::database()?);
    match words.as_slice() {
        ["open"] => shop.open().await,
        ["order", order, product, pieces] => {
            let placed = Placed { order: (*order).to_owned(), product: (*product).to_owned(), pieces: pieces.parse()? };
            match shop.place_order(&placed).await {
                Ok(()) => println!("{order}: placed"),
                Err(error) if error.source.is::<OutOfStock>() => println!("{order}: out of stock"),
                Err(error) => return Err(error.into()),
            }
            Ok(())
        }
        ["list"] => {
            shop.list().await?.iter().for_each(|line| println!("{line}"));
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}
