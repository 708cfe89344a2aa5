//! probe
#![allow(clippy::all, clippy::unwrap_used, clippy::print_stderr)]
mod support;
use support::*;
use std::time::Instant;
use riverrun_log_local::*;
use riverrun_log::*;
#[test]
fn probe_open() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let t = Instant::now();
        let log = LocalLog::open(folder.path(), Options::default()).unwrap();
        eprintln!("fresh open {:?}", t.elapsed());
        let t = Instant::now();
        wait(log.ensure(&[spec("t", 2)])).unwrap();
        eprintln!("ensure {:?}", t.elapsed());
        let t = Instant::now();
        append(&log, 0, &[("a", "1")]).unwrap();
        eprintln!("first append {:?}", t.elapsed());
        let t = Instant::now();
        fill(&log, 0, 0..100);
        eprintln!("append {:?}", t.elapsed()/100);
        let t = Instant::now();
        drop(log);
        eprintln!("close {:?}", t.elapsed());
        let t = Instant::now();
        let log = LocalLog::open(folder.path(), Options::default()).unwrap();
        eprintln!("reopen {:?}", t.elapsed());
        drop(log);
    }
}
fn cpu(which: &str) -> f64 {
    // per-thread CPU of thread named
    let mut total = 0.0;
    for t in std::fs::read_dir("/proc/self/task").unwrap() {
        let p = t.unwrap().path();
        let Ok(s) = std::fs::read_to_string(p.join("stat")) else { continue };
        if !s.contains(which) { continue }
        let f: Vec<&str> = s.rsplit(") ").next().unwrap().split(' ').collect();
        total += (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0;
    }
    total
}
fn rss() -> String { std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM")||l.starts_with("VmRSS")).collect::<Vec<_>>().join(" ") }
fn body(i: usize) -> String {
    format!(r#"{{"year":2013,"month":1,"day":{},"dep_time":{},"sched_dep_time":515,"dep_delay":2,"arr_time":830,"sched_arr_time":819,"arr_delay":11,"carrier":"UA","flight":{},"tailnum":"N{}","origin":"EWR","dest":"IAH","air_time":227,"distance":1400,"hour":5,"minute":15,"time_hour":"2013-01-01T10:00:00Z"}}"#, i % 31, i % 2400, i % 9999, i * 7 % 99999)
}
fn batch(i: usize, n: usize) -> AppendBatch {
    AppendBatch { records: (0..n).map(|j| { let k = i * n + j; let mut e = event(&format!("f{k}"), &body(k)); e.key = Some(riverrun_event::Key::new(format!("N{}", k % 4000)).unwrap()); new_record((k % 2) as u32, e) }).collect() }
}
#[test]
fn probe_append() {
    for days in [0u32, 7] {
        let folder = tempfile::tempdir_in("/work").unwrap();
        let log = open_with(folder.path(), Options { deduplication_days: days, ..Options::default() });
        let n = 1000; let rounds: usize = std::env::var("ROUNDS").map_or(500, |v| v.parse().unwrap());
        let t = Instant::now(); let mut prep = std::time::Duration::ZERO; let mut lat = vec![];
        let (ca, cc, cf) = (cpu("(probe_append"), cpu("(riverrun-commit"), cpu("(fjall"));
        for i in 0..rounds {
            let t1 = Instant::now(); let b = batch(i, n); prep += t1.elapsed();
            let t1 = Instant::now();
            wait(log.append(b)).unwrap();
            lat.push(t1.elapsed());
        }
        lat.sort();
        let e = t.elapsed() - prep;
        eprintln!("dedup {days}: {} events in {e:?} = {:.0}/s; p50 {:?} p99 {:?} max {:?}; cpu caller {:.2} committer {:.2} fjall {:.2} prep {prep:?}; {}", n * rounds, (n * rounds) as f64 / e.as_secs_f64(), lat[lat.len()/2], lat[lat.len()*99/100], lat[lat.len()-1], cpu("(probe_append")-ca, cpu("(riverrun-commit")-cc, cpu("(fjall")-cf, rss());
        let t = Instant::now(); let mut next = 0; let mut c = 0;
        loop { let r = log.read(&at(0, next), 1 << 20).unwrap(); let Some(l) = r.last() else { break }; next = l.position.offset.0 + 1; c += r.len(); }
        eprintln!("  read {c} in {:?} = {:.0}/s", t.elapsed(), c as f64 / t.elapsed().as_secs_f64());
        let t = Instant::now(); drop(log); eprintln!("  close {:?}", t.elapsed());
        let t = Instant::now(); let log = LocalLog::open(folder.path(), Options { deduplication_days: days, ..Options::default() }).unwrap(); eprintln!("  reopen {:?} {}", t.elapsed(), rss());
        drop(log);
        let t = Instant::now(); let r = verify(folder.path()).unwrap(); eprintln!("  verify {:?} {} problems {}", t.elapsed(), r.records, r.problems.len());
    }
}
#[test]
fn probe_bare() {
    use riverrun_store::*;
    for ids in [false, true] {
        let folder = tempfile::tempdir_in("/work").unwrap();
        let store = Store::open(folder.path(), Default::default()).unwrap();
        let recs = store.keyspace("r", Shape::LargeValues).unwrap(); let day = store.keyspace("d", Shape::Lookups).unwrap();
        let rounds: usize = std::env::var("ROUNDS").map_or(500, |v| v.parse().unwrap());
        let mut prep = std::time::Duration::ZERO; let t = Instant::now(); let c0 = cpu("(probe_bare");
        for i in 0..rounds {
            let t1 = Instant::now(); let b = batch(i, 1000); prep += t1.elapsed();
            let mut w = store.batch();
            for p in 0..2u32 {
                let mut v = Vec::new();
                for r in b.records.iter().filter(|r| r.partition.0 == p) { v.extend_from_slice(r.event.id.as_bytes()); v.extend_from_slice(r.event.source.as_bytes()); v.extend_from_slice(r.event.kind.as_bytes()); v.extend_from_slice(r.event.data.as_ref().unwrap()); }
                let z = lz4_flex::compress_prepend_size(&v);
                w.put(&recs, &[&p.to_be_bytes()[..], &(i as u64).to_be_bytes()].concat(), &z);
            }
            if ids { for r in &b.records { let h = blake3::hash(r.event.id.as_bytes()); w.put(&day, &h.as_bytes()[..16], &h.as_bytes()[..32]); } }
            w.commit(Durability::Synced).unwrap();
        }
        let e = t.elapsed() - prep;
        eprintln!("bare ids {ids}: {:.0}/s; cpu {:.2} incl prep {prep:?} fjall {:.2}; {}", (1000*rounds) as f64 / e.as_secs_f64(), cpu("(probe_bare")-c0, cpu("(fjall"), rss());
    }
}
