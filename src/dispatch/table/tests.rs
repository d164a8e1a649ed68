//! The table against what a plain list would say, and its bytes.

use proptest::prelude::*;

use super::super::shards::Shards;
use super::*;

fn table<V: Copy>(capacity: usize, window: Ticks, grain: Ticks) -> Table<V> {
    Table::new(Bounds { capacity, window, grain })
}

/// A key as a hash would be.
fn spread(number: u64) -> Key {
    let (low, high) = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number);
    (Key::from(high) << 64) | Key::from(low)
}

#[test]
fn at_capacity_the_oldest_goes() {
    let mut table = table(2, 1000, 0);
    assert_eq!(table.put(1, "a", 0), None);
    assert_eq!(table.put(2, "b", 1), None);
    assert_eq!(table.put(1, "a again", 2), Some("a"));
    assert_eq!(table.put(3, "c", 3), None);
    assert_eq!(table.get(1, 4), Some("a again"));
    assert_eq!(table.get(2, 4), None);
    assert_eq!(table.get(3, 4), Some("c"));
    assert_eq!(table.count(), 2);
}

#[test]
fn after_the_window_all_go() {
    let mut table = table(10, 1000, 0);
    table.put(1, (), 0);
    table.put(2, (), 500);
    assert_eq!(table.get(1, 1000), Some(()));
    assert_eq!(table.get(1, 1001), None);
    assert_eq!(table.count(), 1);
    assert_eq!(table.get(2, 1501), None);
    assert_eq!(table.count(), 0);
}

#[test]
fn a_young_entry_keeps_its_place() {
    let mut table = table(10, 1000, 100);
    table.put(1, "a", 0);
    assert_eq!(table.put(1, "b", 100), Some("a"));
    assert_eq!(table.get(1, 1000), Some("b"));
    assert_eq!(table.get(1, 1001), None, "it went with its place");
    table.put(1, "c", 2000);
    table.put(1, "d", 2101);
    assert_eq!(table.get(1, 3101), Some("d"));
}

#[test]
fn time_and_turns_may_wrap() {
    let mut table = table(10, 1000, 0);
    table.first = Turn::MAX - 1;
    let late = Ticks::MAX - 10;
    (0..5).for_each(|key| assert_eq!(table.put(key, key, late), None));
    assert_eq!((0..5).filter(|&key| table.get(key, 900) == Some(key)).count(), 5);
    assert_eq!(table.get(4, 1000), None);
}

#[test]
fn other_bounds_hold_from_the_next_change_on() {
    let mut table = table(10, 1000, 0);
    (0..10).for_each(|key| assert_eq!(table.put(key, (), 0), None));
    table.bound(Bounds::new(3, TICK * 50));
    table.put(10, (), 1);
    assert_eq!(table.count(), 3);
    assert_eq!(table.get(10, 52), None);
}

#[test]
fn windows_are_rounded_up_and_never_too_long_for_the_clock() {
    assert_eq!(ticks(Duration::from_millis(21)), 2);
    assert_eq!(ticks(Duration::from_secs(1)), 50);
    assert_eq!(ticks(Duration::MAX), Ticks::MAX / 2);
}

/// A shard of the default million, when it is full and at its worst on the way.
fn bytes_of_an_entry<V: Copy>(value: V) -> (usize, usize) {
    let full = Shards::<()>::share(Bounds::new(1_000_000, Duration::from_secs(60)));
    let mut table = Table::new(full);
    let mut most = 0;
    let each = |table: &Table<V>| table.bytes().div_ceil(table.count());
    for number in 0..20_000 {
        table.put(spread(number), value, 0);
        if number > 1000 {
            most = most.max(each(&table));
        }
    }
    (each(&table), most)
}

#[test]
fn bytes() {
    for (what, (full, most)) in
        [("an event", bytes_of_an_entry(())), ("a dead pushkey", bytes_of_an_entry(0_u64))]
    {
        println!("{what}: {full} bytes when full, at most {most} on the way");
        assert!(most <= 64, "{what}: {most}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8),
    Remove(u8),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..40_u8).prop_map(Step::Put),
        1 => (0..40_u8).prop_map(Step::Remove),
        1 => (0..400_u16).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Never above capacity, and always what a plain list would say.
    #[test]
    fn agrees_with_a_plain_list(
        steps in prop::collection::vec(step(), 0..600),
        grain in prop_oneof![Just(0_u32), 0..300_u32],
        first in prop_oneof![Just(0), Just(Turn::MAX - 50)],
    ) {
        const CAPACITY: usize = 16;
        const WINDOW: Ticks = 1000;
        let mut table = table(CAPACITY, WINDOW, grain);
        table.first = first;
        let mut list: Vec<(Key, usize, Ticks)> = Vec::new();
        let mut now = Ticks::MAX - 2000;
        for (i, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put(key) => {
                    let key = spread(u64::from(key));
                    let place = list.iter().position(|&(k, _, _)| k == key);
                    let before = place.map(|place| list[place].1);
                    prop_assert_eq!(table.put(key, i, now), before);
                    match place {
                        Some(place) if now.wrapping_sub(list[place].2) <= grain => {
                            list[place].1 = i;
                        }
                        _ => {
                            list.retain(|&(k, _, _)| k != key);
                            list.push((key, i, now));
                        }
                    }
                    if list.len() > CAPACITY {
                        list.remove(0);
                    }
                }
                Step::Remove(key) => {
                    let key = spread(u64::from(key));
                    let place = list.iter().position(|&(k, _, _)| k == key);
                    prop_assert_eq!(table.remove(key), place.map(|place| list.remove(place).1));
                }
                Step::Wait(wait) => {
                    now = now.wrapping_add(Ticks::from(wait));
                    list.retain(|&(_, _, at)| now.wrapping_sub(at) <= WINDOW);
                    table.trim(now);
                }
            }
            prop_assert_eq!(table.count(), list.len());
            prop_assert!(table.ring.len() <= 2 * CAPACITY + 65);
            for number in 0..40 {
                let key = spread(number);
                let expected = list.iter().find(|&&(k, _, _)| k == key).map(|&(_, i, _)| i);
                prop_assert_eq!(table.get(key, now), expected);
            }
        }
    }
}
