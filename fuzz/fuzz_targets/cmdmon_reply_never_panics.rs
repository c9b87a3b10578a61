//! Any octets as a reply or a request of chrony's control protocol: no panic, and what decodes,
//! encoded again, decodes to the same.
#![no_main]

use clockbox::proto::cmdmon::reply::Reply;
use clockbox::proto::cmdmon::request::Request;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok((header, reply)) = Reply::decode(data) {
        let again = reply.encode(header);
        let (_, second) = Reply::decode(&again).expect("an encoded reply decodes");
        assert_eq!(second.encode(header), again);
    }
    if let Ok((_, request)) = Request::decode(data) {
        let again = request.encode(7, 1);
        let (_, second) = Request::decode(&again).expect("an encoded request decodes");
        assert_eq!(second, request);
    }
});
