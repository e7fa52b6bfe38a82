#!/usr/bin/env bats
# What agents do with files, from end to end: a table is cleaned, counted and drawn; a document is read in pieces.
load runtime
load files

setup_file() {
	IMAGES=science SESSION='{"template_id": "python-datascience"}' start_runtime
}
teardown_file() { stop_stack; }

py() { /usr/bin/python3 "$@"; }	# Debian's, which has its libraries

# artifact PATH FIELD: of the last answer's execution
artifact() { jqb --arg path "$1" ".artifacts[] | select(.path == \$path) | .$2"; }

# is_png FILE WIDTH HEIGHT: whole, of this size, and a picture of something
is_png() {
	py - "$@" <<-'P'
		import struct, sys, zlib
		data, size = open(sys.argv[1], "rb").read(), (int(sys.argv[2]), int(sys.argv[3]))
		assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
		at, kinds, pixels = 8, [], b""
		while at < len(data):
		    n, kind = struct.unpack(">I4s", data[at:at + 8])
		    body = data[at + 8:at + 8 + n]
		    assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0], kind
		    if kind == b"IHDR":
		        assert struct.unpack(">II", body[:8]) == size, struct.unpack(">II", body[:8])
		    pixels += body if kind == b"IDAT" else b""
		    kinds.append(kind)
		    at += 12 + n
		assert kinds[-1] == b"IEND" and len(set(zlib.decompress(pixels))) > 50, kinds
	P
}

@test "a dirty table: cleaned with pandas, its figures returned, a chart and the clean table kept" {
	local csv=$BATS_TEST_TMPDIR/sales.csv p execution

	# 1000 rows, of which 100 have no amount, 40 one that is no number, 25 stand there twice.
	py - >"$csv" <<-'P'
		print("id, region ,amount")
		for i in range(1, 1001):
		    amount = "" if i % 10 == 0 else "n/a" if i % 25 == 7 else " %.2f " % (i * 1.25)
		    for _ in range(2 if i % 40 == 1 else 1):
		        print("%d,%s,%s" % (i, ["north", " South", "NORTH ", "east"][i % 4], amount))
	P
	upload "$S" data/sales.csv "$csv"
	expect_code 200
	expect .checksum "$(sha "$csv")"

	run_code python "$(cat <<-'P'
		import matplotlib
		matplotlib.use("Agg")
		import matplotlib.pyplot as plt
		import os
		import pandas as pd

		def handler(event):
		    df = pd.read_csv(event["table"], skipinitialspace=True)
		    rows = len(df)
		    df.columns = df.columns.str.strip()
		    df["region"] = df["region"].str.strip().str.lower()
		    df["amount"] = pd.to_numeric(df["amount"], errors="coerce")
		    df = df.dropna().drop_duplicates()
		    os.makedirs("output", exist_ok=True)
		    df.to_csv("output/clean.csv", index=False)
		    totals = df.groupby("region")["amount"].sum()
		    fig = plt.figure(figsize=(event["width"] / 100, event["height"] / 100), dpi=100)
		    totals.plot(kind="bar", title="Sales")
		    fig.savefig("output/chart.png")
		    print("cleaned", rows, "to", len(df))
		    return {"read": rows, "kept": len(df), "mean": round(df["amount"].mean(), 6),
		            "max": df["amount"].max(), "totals": totals.round(2).to_dict()}
	P
	)" '{"event": {"table": "data/sales.csv", "width": 900, "height": 500}, "timeout": 120}'
	ends exited completed
	expect .stdout $'cleaned 1025 to 860\n'
	expect '.return_value.read' 1025
	# The same figures without pandas.
	expect '.return_value | del(.read) | tojson' "$(py - <<-'P'
		import json
		rows = {i: i * 1.25 for i in range(1, 1001) if i % 10 and i % 25 != 7}
		totals = {"east": 0, "north": 0, "south": 0}
		for i, a in rows.items():
		    totals[["north", "south", "north", "east"][i % 4]] += a
		number = lambda x: int(x) if x == int(x) else x
		print(json.dumps({"kept": len(rows), "mean": number(round(sum(rows.values()) / len(rows), 6)),
		    "max": number(max(rows.values())), "totals": {k: number(round(v, 2)) for k, v in totals.items()}},
		    separators=(",", ":")))
	P
	)"
	execution=$body

	get "$S" output/chart.png
	expect_code 200
	[ "$(header content-type)" = image/png ]
	is_png "$BATS_TEST_TMPDIR/body.last" 900 500
	cp "$BATS_TEST_TMPDIR/body.last" "$BATS_TEST_TMPDIR/chart.png"
	get "$S" output/clean.csv
	expect_code 200
	cp "$BATS_TEST_TMPDIR/body.last" "$BATS_TEST_TMPDIR/clean.csv"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/clean.csv")" = 861 ]
	run ! grep -qiE 'n/a|nan|,$' "$BATS_TEST_TMPDIR/clean.csv"

	body=$execution
	expect '[.artifacts[].path] | sort | join(" ")' "output/chart.png output/clean.csv"
	expect .artifacts_truncated false
	for p in chart.png clean.csv; do
		body=$execution
		[ "$(artifact "output/$p" type)" = output ]
		[ "$(artifact "output/$p" checksum)" = "$(sha "$BATS_TEST_TMPDIR/$p")" ]
		[ "$(artifact "output/$p" size)" = "$(stat -c %s "$BATS_TEST_TMPDIR/$p")" ]
		api GET "/$(artifact "output/$p" download_url | sed 's#^https\?://[^/]*##')"
		expect_code 200
		cmp "$BATS_TEST_TMPDIR/body.last" "$BATS_TEST_TMPDIR/$p"
	done
	body=$execution
	[ "$(artifact output/chart.png mime_type)" = image/png ]
	# Asked for later, the execution says the same.
	api GET "/executions/$(jqb .execution_id)"
	expect '.artifacts | sort_by(.path) | tojson' "$(jq -c '.artifacts | sort_by(.path)' <<<"$execution")"
}

# What page N of the document says, and no other.
words_of() { printf 'page%d' "$1" | sha256sum | cut -c1-16; }

# read_pages FIRST LAST: in the session, one execution
read_pages() {
	run_code python "$(cat <<-'P'
		import os
		from pypdf import PdfReader

		def handler(event):
		    reader = PdfReader("report.pdf")
		    os.makedirs("notes", exist_ok=True)
		    words = []
		    for n in range(event["first"], event["last"] + 1):
		        text = reader.pages[n - 1].extract_text()
		        words.append(text.split("Word: ")[1].split()[0])
		        with open("notes/page-%02d.txt" % n, "w") as out:
		            out.write(text)
		    return {"pages": len(reader.pages), "words": words, "before": len(os.listdir("notes")) - len(words)}
	P
	)" "{\"event\": {\"first\": $1, \"last\": $2}, \"timeout\": 120}"
	ends exited completed
	expect .return_value.pages 25
	expect '.return_value.words | join(" ")' "$(for n in $(seq "$1" "$2"); do words_of "$n"; done | tr '\n' ' ' | sed 's/ $//')"
	expect '[.artifacts[].path] | sort | join(" ")' "$(seq -f 'notes/page-%02g.txt' -s ' ' "$1" "$2")"
}

@test "a document: pages 1-10, then 11-20 of the same session, and every result is there" {
	local n

	for n in $(seq 25); do words_of "$n"; done >"$BATS_TEST_TMPDIR/words"
	py - "$BATS_TEST_TMPDIR/words" "$BATS_TEST_TMPDIR/report.pdf" <<-'P'
		import sys
		from reportlab.lib.pagesizes import A4
		from reportlab.pdfgen.canvas import Canvas
		pdf = Canvas(sys.argv[2], pagesize=A4)
		for n, word in enumerate(open(sys.argv[1]).read().split(), 1):
		    pdf.drawString(72, 770, "Chapter %d" % n)
		    pdf.drawString(72, 740, "Word: %s ends." % word)
		    pdf.showPage()
		pdf.save()
	P
	put "$S" report.pdf "$BATS_TEST_TMPDIR/report.pdf"
	expect_code 201
	read_pages 1 10
	expect .return_value.before 0
	read_pages 11 20
	expect .return_value.before 10	# what the first one left is still there
	[ "$(paths "$S" '?path=notes' | wc -l)" = 20 ]
	for n in 1 10 11 20; do
		get "$S" "notes/page-$(printf %02d "$n").txt"
		expect_code 200
		[[ $body = *"Chapter $n"* && $body = *"Word: $(words_of "$n") ends."* ]]
	done
	get "$S" notes/page-21.txt
	expect_code 404
	get "$S" report.pdf
	cmp "$BATS_TEST_TMPDIR/body.last" "$BATS_TEST_TMPDIR/report.pdf"
}
