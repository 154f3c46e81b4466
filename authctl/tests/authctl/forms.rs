//! The forms of files: line ends, encodings, separators, columns and values.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::place::{Place, Ran};

/// Imports a text into an empty database.
fn import(text: &str, arguments: &[&str]) -> Ran {
    let place = Place::sqlite();
    import_into(&place, text.as_bytes(), arguments)
}

fn import_into(place: &Place, bytes: &[u8], arguments: &[&str]) -> Ran {
    place.run_with_bytes(&[&["import", "-", "--create-database"], arguments].concat(), bytes)
}

/// The lines that a run refused.
fn refused(ran: &Ran) -> Vec<u64> {
    let lines = ran.err.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line.get("line").and_then(Value::as_u64).unwrap()).collect()
}

#[test]
fn a_report_has_the_line_where_the_record_begins() {
    let csv = "\n\nemail,name\nada@example.com,Ada\nbad1\n\n\nbad2,\"over\ntwo lines\"\n \ngrace@example.com,\"a\n\nb\"\nbad3,x\n";
    let jsonl =
        "\n{\"email\":\"ada@example.com\"}\n\n{\"email\":\"bad1\"}\n{\"email\n  \n{\"email\":\"bad2\"}";
    let json = "{\"realm\":\"a\\n\\\"\",\n\"users\":\n[\n{\"email\":\"ada@example.com\"},{\n\"email\":\"bad1\"},\n\n\
                {\"email\":\"bad2\"} ,\n7\n]\n}\n";
    for end in ["\n", "\r\n", "\r"] {
        for (format, text, expected) in [
            // The name of grace has line breaks, which a name must not have.
            ("csv", csv, vec![5, 8, 11, 14]),
            ("jsonl", jsonl, vec![4, 5, 7]),
            ("json", json, vec![4, 7, 8]),
        ] {
            let text = text.replace('\n', end);
            let ran = import(&text, &["--format", format, "--json"]).expect(65);
            assert_eq!(refused(&ran), expected, "{format} {end:?}: {}", ran.err);
            assert_eq!(ran.json()["inserted"], 1, "{format} {end:?}");
        }
    }
}

#[test]
fn a_quote_that_is_not_closed_is_reported_with_its_end() {
    let text = "email,name\nada@example.com,\"Ada\ngrace@example.com,Grace\nlinus@example.com,Linus\n";
    let ran = import(text, &["--format", "csv"]).expect(65);
    assert!(ran.err.starts_with("line 2: "), "{}", ran.err);
    let text = text.replace("com,\"", "com,x,\"");
    let ran = import(&text, &["--format", "csv"]).expect(65);
    assert_eq!(ran.err, "line 2: has 3 columns instead of 2; it ends in line 4\n");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_file() {
    for (format, text) in [
        ("csv", "\u{feff}email\nada@example.com\n"),
        ("csv", "\u{feff}\"email\"\r\nada@example.com\r\n"),
        ("jsonl", "\u{feff}{\"email\":\"ada@example.com\"}\n"),
        ("json", "\u{feff}{\"users\":[{\"email\":\"ada@example.com\"}]}\n"),
        ("json", "\u{feff}{\"email\":\"ada@example.com\"}\n"),
    ] {
        let ran = import(text, &["--format", format, "--json"]).expect(0);
        assert_eq!(ran.json()["inserted"], 1, "{text}");
    }
}

#[test]
fn a_file_of_another_encoding_is_refused_by_its_name() {
    let text = "email\nada@example.com\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let place = Place::sqlite();
    place.create("grace@example.com");
    for (bytes, expected) in [
        ([&b"\xff\xfe"[..], &little].concat(), "UTF-16"),
        ([&b"\xfe\xff"[..], &big].concat(), "UTF-16"),
        (little, "UTF-16"),
        (big, "UTF-16"),
        (b"\x1f\x8b\x08\x00\x00".to_vec(), "gunzip"),
        (b"PK\x03\x04\x14".to_vec(), "workbook"),
    ] {
        for format in ["csv", "jsonl", "json"] {
            let ran = import_into(&place, &bytes, &["--format", format]).expect(65);
            assert!(
                ran.err.starts_with("authctl: the file is ") && ran.err.contains(expected),
                "{}",
                ran.err
            );
        }
    }
    let latin = b"email,name\nada@example.com,Andr\xe9\ngrace@example.com,Grace\n";
    let ran = import_into(&Place::sqlite(), latin, &["--format", "csv"]).expect(65);
    assert_eq!(ran.err, "line 2: is not UTF-8: save the file as UTF-8\n");
    assert!(ran.out.contains("2 lines: 1 written"), "{}", ran.out);
    let latin = b"{\"email\":\"ada@example.com\",\"name\":\"Andr\xe9\"}\n";
    let ran = import_into(&Place::sqlite(), latin, &["--format", "jsonl"]).expect(65);
    assert_eq!(ran.err, "line 1: is not UTF-8: save the file as UTF-8\n");
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    let text = "{\"email\":\"ada@example.com\",\"email\":\"eve@example.com\"}\n\
                {\"email\":\"grace@example.com\",\"Email\":\"eve@example.com\"}\n\
                {\"email\":\"linus@example.com\",\"extra\":{\"a\":1,\"a\":2}}\n";
    let ran = import(text, &["--format", "jsonl", "--ignore-unknown"]).expect(65);
    let expected = "line 1: an object has a key twice\nline 2: email: is there twice\nline 3: an object has a key twice\n";
    assert_eq!(ran.err, expected);
    for (header, columns) in [("email,name,email", "1 and 3"), ("Email,email", "1 and 2")] {
        let ran = import(&format!("{header}\n"), &["--format", "csv"]).expect(65);
        assert!(
            ran.err.contains(&format!("columns {columns} of the first line have the same name")),
            "{}",
            ran.err
        );
    }
    let twice = "{\"users\":[{\"email\":\"ada@example.com\"}],\n\"users\":[]}";
    let ran = import(twice, &["--format", "json"]).expect(65);
    assert!(ran.err.starts_with("line 2: the file has a second member `users`"), "{}", ran.err);
}

#[test]
fn a_document_that_is_cut_is_reported() {
    for (text, expected) in [
        ("{\"users\":[{\"email\":\"ada@example.com\"},\n{\"email\":", "line 2: the file ends in the middle"),
        ("[{\"email\":\"ada@example.com\"}\n", "line 2: the file ends in the middle"),
        ("{\"users\":[{\"email\":\"ada@example.com\"}]\n", "line 2: the file ends in the middle"),
        ("[{\"email\":\"ada@example.com\"}]\n{}", "line 2: text after the end of the document"),
    ] {
        let ran = import(text, &["--format", "json"]).expect(65);
        assert!(ran.err.starts_with(expected), "{}", ran.err);
        assert!(ran.out.contains(" 1 written"), "{}", ran.out);
    }
    for text in ["{\"realm\":\n\"acme\"}", "{\"users\":\n{}}", "{\"users\":\nnull}"] {
        let ran = import(text, &["--format", "json"]).expect(65);
        assert!(ran.err.contains("neither an array of users"), "{text}: {}", ran.err);
    }
    assert!(import("", &["--format", "json", "--json"]).expect(0).json()["lines"] == 0);
}

#[test]
fn spellings_of_other_systems_are_read_as_what_they_mean() {
    for (text, expected) in [
        // Excel in Europe, with capitals.
        ("Email;Name;Email Verified\r\nada@example.com;Ada;TRUE\r\n", json!({ "name": "Ada" })),
        (
            "email, name, email_verified\nada@example.com, \"Lovelace, Ada\", yes\n",
            json!({ "name": "Lovelace, Ada" }),
        ),
        ("email\tname\temail_verified\nada@example.com\t\"Ada\tt\n", json!({ "name": "\"Ada" })),
        (
            "\"email\"\t\"name\"\t\"email_verified\"\n\"ada@example.com\"\t\"A\"\"da\"\t\"1\"\n",
            json!({ "name": "A\"da" }),
        ),
        ("email,name,email_verified\nada@example.com,\\N,t\n", json!({ "name": null })),
        ("email,name,email_verified,created_at\nada@example.com,NULL,True,NULL\n", json!({ "name": null })),
        (
            "email,name,enabled,email_verified\nada@example.com,  ,f,t\n",
            json!({ "name": null, "status": "disabled" }),
        ),
        (
            "email,email_verified_at\nada@example.com,2024-03-09 13:11:12.123+00\n",
            json!({ "email_verified_at": "2024-03-09T13:11:12Z" }),
        ),
        (
            "email,email_verified,created_at\nada@example.com,1,1709989872123\n",
            json!({ "created_at": "2024-03-09T13:11:12Z", "email_verified_at": "2024-03-09T13:11:12Z" }),
        ),
    ] {
        let place = Place::sqlite();
        import_into(&place, text.as_bytes(), &["--format", "csv"]).expect(0);
        let shown = place.run(&["user", "show", "ada@example.com", "--json"]).expect(0).json();
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&shown[field], value, "{text}");
        }
        assert_ne!(shown["email_verified_at"], Value::Null, "{text}");
    }
}

#[test]
fn a_name_that_is_too_long_is_cut_and_reported() {
    let mut text = String::from("email,name\n");
    writeln!(text, "ada@example.com,{}", "ä".repeat(101)).unwrap();
    writeln!(text, "grace@example.com,{}", "ä".repeat(100)).unwrap();
    let place = Place::sqlite();
    let ran = import_into(&place, text.as_bytes(), &["--format", "csv"]).expect(0);
    assert_eq!(ran.err, "line 2: name: was cut to 100 characters\n");
    assert!(ran.out.contains("\n1 with a name that was cut to 100 characters\n"), "{}", ran.out);
    let shown = place.run(&["user", "show", "ada@example.com", "--json"]).expect(0).json();
    assert_eq!(shown["name"], "ä".repeat(100));
    let again = import(&text, &["--format", "csv", "--json"]).expect(0);
    let note: Value = serde_json::from_str(&again.err).unwrap();
    assert_eq!(note, json!({ "line": 2, "note": "name: was cut to 100 characters" }));
    assert_eq!(again.json()["cut_names"], 1);
}

#[test]
fn columns_are_mapped_joined_and_looked_up_in_json() {
    let place = Place::sqlite();
    let csv = "Mail,first,last,meta,blocked\nada@example.com,Ada,Lovelace,\"{\"\"plan\"\":{\"\"ids\"\":[7,8]}}\",t\n";
    let arguments = [
        "--map=mail=email",
        "--map=first+last=name",
        "--map=meta.plan.ids.1=id",
        "--map=blocked=disabled",
        "--format=csv",
    ];
    import_into(&place, csv.as_bytes(), &arguments).expect(0);
    let first = place.run(&["user", "show", "ada@example.com", "--json"]).expect(0).json();
    assert_eq!((&first["name"], &first["status"]), (&"Ada Lovelace".into(), &"disabled".into()));
    let other = Place::sqlite();
    let jsonl =
        "{\"profile\":{\"Mail\":\"ada@example.com\",\"n\":null},\"nick\":\"Ada\",\"id\":8,\"first\":\"x\"}\n";
    let arguments = ["--map=profile.mail=email", "--map=profile.n=name", "--map=nick=name", "--format=jsonl"];
    let unknown = import_into(&other, jsonl.as_bytes(), &arguments).expect(65);
    assert_eq!(unknown.err, "line 1: has an unknown field; see --help\n");
    import_into(&other, jsonl.as_bytes(), &[&arguments[..], &["--ignore-unknown"]].concat()).expect(0);
    let shown = other.run(&["user", "show", "ada@example.com", "--json"]).expect(0).json();
    assert_eq!((&shown["name"], &shown["id"]), (&"Ada".into(), &first["id"]), "the first with a value");
}

#[test]
fn a_column_of_map_that_is_not_there_is_reported() {
    let csv =
        import("email,blocked\nada@example.com,t\n", &["--format=csv", "--map=blcked=disabled"]).expect(65);
    assert!(
        csv.err.contains("--map: no column has the name blcked") || csv.err.contains("column 2"),
        "{}",
        csv.err
    );
    assert_eq!(csv.out, "", "nothing is written");
    let text = "{\"email\":\"ada@example.com\",\"blocked\":true}\n";
    let jsonl = import(text, &["--format=jsonl", "--map=blcked=disabled", "--ignore-unknown"]).expect(0);
    assert!(jsonl.out.ends_with("\nno line has a value for --map blcked\n"), "{}", jsonl.out);
}

#[test]
fn deleted_users_and_unknown_hashes_are_left_out_if_asked() {
    let text = "email,password_hash,deleted\nada@example.com,md5$x,0\ngone@example.com,,2024-03-09 13:11:12\n\
                gone2@example.com,,true\n";
    let place = Place::sqlite();
    let refused = import_into(&place, text.as_bytes(), &["--format=csv", "--json"]).expect(65);
    assert_eq!((&refused.json()["refused"], &refused.json()["deleted"]), (&1.into(), &2.into()));
    let done =
        import_into(&place, text.as_bytes(), &["--format=csv", "--drop-unknown-hashes", "--json"]).expect(0);
    let done = done.json();
    assert_eq!(
        (&done["inserted"], &done["dropped_hashes"], &done["without_password"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert!(!refused.err.contains("md5"), "{}", refused.err);
}
