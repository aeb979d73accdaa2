"""Profiles from a language model and from none, and the two commands."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from stub_language_server import StubServer, right_summary

from dmrec_core.__main__ import main
from dmrec_core.data import DataError, Profiles, load_own, toy_dataset
from dmrec_core.language import (
    TEMPLATES,
    Endpoint,
    EndpointError,
    ExtractiveProfiler,
    LanguageModel,
    extractive_profiles,
    load_profiles,
    save_profiles,
    semantic_vectors,
    user_texts,
    with_language,
    write_profiles,
)
from dmrec_core.language.item_space import item_space
from dmrec_core.language.own_fields import read_item_fields, read_reviews
from dmrec_core.language.profiles import NothingWritten
from dmrec_core.language.prompts import Prompt, item_prompts, user_prompts

SENTINEL = "sk-sentinel-0123456789abcdef"


@pytest.fixture(scope="module")
def running():
    with StubServer() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch, tmp_path):
    running.plan()
    monkeypatch.setenv("DMREC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", SENTINEL)
    return running


@pytest.fixture
def folder(tmp_path):
    """A user's own data: text ids, a column of the games template, reviews of every interaction."""
    place = tmp_path / "my-data"
    place.mkdir()
    toy = toy_dataset(n_users=20, n_items=25)
    splits = {"train": toy.train, "valid": toy.valid, "test": toy.test}
    with open(place / "interactions.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "item", "split"])
        for split, matrix in splits.items():
            rows.writerows([f"u{user:02}", f"i{item:02}", split] for user, item in zip(*matrix.nonzero(), strict=True))
    with open(place / "items.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["item", "title", "text", "publisher"])
        for item in range(25):
            rows.writerow(
                [f"i{item:02}", toy.titles[item], f"about-{item:02}. {toy.profiles.item[item]}", f"Pub {item}"]
            )
    with open(place / "reviews.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "item", "review"])
        for split, matrix in splits.items():
            pairs = zip(*matrix.nonzero(), strict=True)
            rows.writerows(
                [f"u{user:02}", f"i{item:02}", f"{split}-review-{user:02}-{item:02}"] for user, item in pairs
            )
    return place


def local_model(server, folder):
    return LanguageModel(Endpoint(server.url, first_wait=0.02), "stub-model", {}, None, folder)


# --- write_profiles ---------------------------------------------------------------------------------------------


def test_items_come_first_and_users_are_told_their_profiles(server, tmp_path):
    dataset = toy_dataset(n_users=12, n_items=20)
    run = write_profiles(dataset, local_model(server, tmp_path), TEMPLATES["items"])
    items = tuple(right_summary(prompt.user) for prompt in item_prompts(dataset, TEMPLATES["items"]))
    assert run.profiles.item == items
    users = user_prompts(dataset, TEMPLATES["items"], items)
    assert run.profiles.user == tuple(right_summary(prompt.user) for prompt in users)
    assert (run.profiles.source, run.without) == ("stub-model", [])
    told = {entry["description"] for prompt in users for entry in json.loads(prompt.user)["chosen items"]}
    assert told <= set(items)


def test_given_item_profiles_can_be_kept(server, tmp_path):
    dataset = toy_dataset(n_users=12, n_items=20)
    run = write_profiles(dataset, local_model(server, tmp_path), TEMPLATES["items"], keep_items=True)
    assert run.profiles.item == dataset.profiles.item and run.items == []
    assert run.profiles.source == "stub-model, items by toy generator"
    assert len(server.log()) <= 12
    with pytest.raises(ValueError, match="no item profiles to keep"):
        bare = dataset.with_profiles(Profiles(("",) * 20, None, "nobody"))
        write_profiles(bare, ExtractiveProfiler(), TEMPLATES["items"], keep_items=True)


def test_what_has_no_profile_is_listed_and_never_passed_off(server, tmp_path):
    dataset = toy_dataset(n_users=12, n_items=20)
    first = user_prompts(dataset, TEMPLATES["items"])[0]
    title = json.loads(item_prompts(dataset, TEMPLATES["items"])[3].user)["title"]
    chosen = json.loads(first.user)["chosen items"][0]["title"]
    server.plan(by_text={f'{{\n "title": "{title}"': ["refusal"] * 2, f'[\n  {{\n   "title": "{chosen}"': ["none"]})
    run = write_profiles(dataset, local_model(server, tmp_path), TEMPLATES["items"])
    first, *users = run.without
    assert first.label == "item 3" and users
    assert run.profiles.item[3] == "" and "item 3: the answer is a refusal" in str(run)
    written = dataset.with_profiles(Profiles(run.profiles.item, None, ""))
    for record in users:
        user = int(record.label.split()[1])
        assert run.profiles.user[user] == user_texts(written)[user]
    missing = f"1 of 20 items missing, {len(users)} of 12 users by their training items"
    assert run.profiles.source == f"stub-model, {missing}"
    vectors = semantic_vectors(dataset.with_profiles(run.profiles), "tfidf", progress=False)
    assert np.isfinite(vectors.item).all()


def test_a_model_that_writes_nothing_is_credited_with_nothing(server, tmp_path):
    dataset, template = toy_dataset(n_users=12, n_items=20), TEMPLATES["items"]
    for fault in ("not_json", "none", "400", "html"):
        server.plan(every={fault: 1})
        refused = fault in ("400", "html")  # the first eight: the rest are not asked
        with pytest.raises(
            EndpointError if refused else NothingWritten, match=r"all refused|wrote none of 20 profiles"
        ):
            write_profiles(dataset, local_model(server, tmp_path / fault), template)
        assert not any("chosen items" in entry["text"] for entry in server.log()), "users are not asked about"
    server.plan(every={"not_json": 1})
    with pytest.raises(NothingWritten, match=r"wrote none of 12 profiles.*; user 0: the answer is not a JSON object"):
        write_profiles(dataset, local_model(server, tmp_path / "kept"), template, keep_items=True)
    with pytest.raises(NothingWritten):
        item_space(dataset, template, local_model(server, tmp_path / "space"))


def test_what_users_lack_is_counted_too(server, tmp_path):
    dataset = toy_dataset(n_users=12, n_items=20)
    server.plan(by_text={"chosen items": ["none"] * 99})
    run = write_profiles(dataset, local_model(server, tmp_path), TEMPLATES["items"])
    assert run.profiles.source == "stub-model, 12 of 12 users by their training items"


def test_profiles_travel_as_json(tmp_path):
    profiles = Profiles(("ünï 🎲", ""), ("x" * 100_000,), "someone")
    save_profiles(tmp_path / "p.json", profiles)
    again = load_profiles(tmp_path / "p.json")
    assert (again.item, again.user, again.source) == (profiles.item, profiles.user, profiles.source)
    (tmp_path / "p.json").write_text('{"item": []}')
    with pytest.raises(ValueError, match=r"p\.json is no file of profiles"):
        load_profiles(tmp_path / "p.json")


# --- the extractive writer --------------------------------------------------------------------------------------


def test_the_extractive_writer_is_named_deterministic_and_reads_training_items_only():
    dataset = toy_dataset(n_users=40, n_items=30)
    profiles = extractive_profiles(dataset)
    assert profiles.source == "extractive (no language model), of titles and texts by toy generator"
    assert extractive_profiles(dataset).user == profiles.user
    for user, text in enumerate(profiles.user):
        chosen = re.match(r"Chose (.*?)\. Words", text).group(1).split("; ")
        assert set(chosen) <= {dataset.titles[item] for item in dataset.train[user].indices}


def test_extraction_prefers_rare_sentences_and_recurring_words():
    items = [
        {"title": f"T{k}", "description": f"Everyone likes it. A rareword{k} indeed{k}.", "feedback": "None"}
        for k in range(5)
    ]
    prompts = [Prompt("", json.dumps(item), 50, "") for item in items]
    assert ExtractiveProfiler(item_words=3).answer(prompts)[0].summary == "T0: A rareword0 indeed0."
    tastes = [["jazz", "jazz", "soup"], ["chess", "tea", "soup"], ["golf zebra", "bread", "soup"]]
    told = [{"l": [{"title": "None", "description": w, "review": "None"} for w in words]} for words in tastes]
    records = ExtractiveProfiler(user_words=1).answer([Prompt("", json.dumps(data), 50, "") for data in told])
    assert records[0].summary == "Words: jazz."


def test_extraction_reads_scripts_without_blanks():
    said = ["大家都喜欢。稀有的绿茶非常好喝！", "大家都喜欢。汽车轮胎修理与更换！", "大家都喜欢。不锈钢保温杯很轻！"]
    items = [{"title": "None", "description": text, "feedback": "None"} for text in said]
    prompts = [Prompt("", json.dumps(item), 50, "") for item in items]
    assert ExtractiveProfiler(item_words=7).answer(prompts)[0].summary == "稀有的绿茶非常好喝！"
    short = [Prompt("", prompt.user, 2, "") for prompt in prompts]
    assert ExtractiveProfiler().answer(short)[0].summary == "大家都"
    tastes = [["绿茶真好", "喝绿茶吧"], ["修汽车", "洗汽车"], ["保温杯", "大水杯"]]
    told = [{"l": [{"title": "None", "description": w, "review": "None"} for w in words]} for words in tastes]
    records = ExtractiveProfiler(user_words=1).answer([Prompt("", json.dumps(data), 50, "") for data in told])
    assert [record.summary for record in records[:2]] == ["Words: 绿茶.", "Words: 汽车."]


@pytest.mark.parametrize("text", ["", "None", "日本語", "🎲", "x" * 100_000, '"}]}', "\x00"])
def test_extraction_survives_any_text(text):
    prompts = [
        Prompt("", json.dumps({"title": "None", "description": text, "feedback": [text]}), 50, ""),
        Prompt("", json.dumps({"l": [{"title": text, "description": text, "review": "None"}]}), 50, ""),
    ]
    assert all(record.status == "ok" for record in ExtractiveProfiler().answer(prompts))


# --- a user's own columns and reviews ---------------------------------------------------------------------------


def test_own_columns_and_reviews_follow_the_users_ids(folder):
    dataset = load_own(folder)
    fields = read_item_fields(folder / "items.csv", dataset, TEMPLATES["games"])
    assert list(fields) == ["publisher"]
    assert fields["publisher"] == [f"Pub {int(name[1:])}" for name in dataset.item_ids]
    reviews = read_reviews(folder / "reviews.csv", dataset)
    for (user, item), review in reviews.items():
        assert review.endswith(f"-review-{dataset.user_ids[user][1:]}-{dataset.item_ids[item][1:]}")
    texts = [p.user for p in item_prompts(dataset, TEMPLATES["games"], fields, reviews)]
    texts += [p.user for p in user_prompts(dataset, TEMPLATES["games"], reviews=reviews)]
    assert "train-review-" in "".join(texts)
    assert "valid-review-" not in "".join(texts) and "test-review-" not in "".join(texts)


def test_reviews_of_someone_else_are_an_error(folder):
    (folder / "reviews.csv").write_text("user,item,review\n1,2,nice\n")
    with pytest.raises(DataError, match="no row is about a user and an item of my-data"):
        read_reviews(folder / "reviews.csv", load_own(folder))
    (folder / "items2.csv").write_text("item,publisher\ni00,a\ni00,b\n")
    with pytest.raises(DataError, match="row 3: item i00 has a row already"):
        read_item_fields(folder / "items2.csv", load_own(folder), TEMPLATES["games"])


# --- the commands -----------------------------------------------------------------------------------------------


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_a_dry_run_shows_three_prompts_and_the_estimate_and_asks_nothing(server, folder, capsys):
    server_options = ["--base-url", server.url, "--model", "stub-model", "--price-prompt", "1", "--price-answer", "2"]
    assert run("profiles", folder, "--dry-run", "--reviews", folder / "reviews.csv", *server_options) == 0
    out = capsys.readouterr().out
    assert re.findall(r"--- (\w+ \d+), user ---", out) == ["item 0", "item 1", "user 0"]
    assert re.search(
        r"items: 25 prompts, 0 already answered, 25 to ask: about [\d,]+ \+ [\d,]+ tokens, about \$0\.\d\d", out
    )
    assert re.search(r"users: 20 prompts, 0 already answered, \d+ to ask", out)
    assert server.log() == [] and not (folder / "profiles.json").exists()
    assert SENTINEL not in out


def test_from_csv_to_vectors_in_two_commands(server, folder, capsys):
    ask = ["--base-url", server.url, "--model", "stub-model", "--template", "games", "--setting", "temperature=0"]
    assert run("profiles", folder, "--reviews", folder / "reviews.csv", "--setting", "max_tokens=null", *ask) == 0
    bodies = [entry["body"] for entry in server.log()]
    assert all(body["temperature"] == 0 and "max_tokens" not in body for body in bodies)
    assert load_profiles(folder / "profiles.json").source == "stub-model"
    assert run("embed", folder, "--embedder", "tfidf") == 0
    out, err = capsys.readouterr()
    assert "written: " in err and "by tfidf-svd-" in err
    dataset = load_own(folder)  # which finds vectors.npz, and checks its ids
    assert dataset.language.user.shape[0] == 20
    assert re.fullmatch(r"tfidf-svd-\d+, profiles by stub-model", dataset.language.embedder)
    assert run("embed", folder, "--embedder", "minilm", "--profiles", folder / "nothing.json") == 1
    before = len(server.log())
    assert run("profiles", folder, "--reviews", folder / "reviews.csv", "--setting", "max_tokens=null", *ask) == 0
    assert len(server.log()) == before
    assert SENTINEL not in out + err + (folder / "profiles.json").read_text()


def test_a_run_in_which_every_answer_fails_is_an_error_and_writes_nothing(server, folder, capsys):
    ask = ["--base-url", server.url, "--model", "stub-model"]
    server.plan(every={"not_json": 1})
    assert run("profiles", folder, *ask) == 1
    err = capsys.readouterr().err
    assert "stub-model wrote none of 25 profiles" in err and "item 0: the answer is not a JSON object" in err
    assert not (folder / "profiles.json").exists()
    (folder / "profiles.json").write_text("mine")
    assert run("profiles", folder, *ask) == 1
    assert (folder / "profiles.json").read_text() == "mine"
    (folder / "profiles.json").unlink()
    server.plan(by_text={'"title"': ["not_json"] * 4})  # two items, twice
    assert run("profiles", folder, "--concurrency", "1", "--retry-failed", *ask) == 0
    assert load_profiles(folder / "profiles.json").source == "stub-model, 2 of 25 items missing"


def test_a_refused_setting_comes_with_its_cure(server, folder, capsys):
    reasons = {
        "lm_studio": "'response_format.type' must be 'json_schema' or 'text'",
        "newer": "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
        "unrelated": "prompt is too long",
    }
    cures = {
        "lm_studio": "; try --setting response_format=null",
        "newer": "; try --setting max_tokens=null --setting max_completion_tokens=1024",
        "unrelated": "too long",
    }
    ask = ["profiles", folder, "--base-url", server.url, "--model", "stub-model"]
    for name, reason in reasons.items():
        body = json.dumps({"error": {"message": reason}})
        server.plan(replies={name: {"status": 400, "body": body}}, every={name: 1})
        assert run(*ask) == 1
        assert capsys.readouterr().err.strip().endswith(cures[name])
    server.plan()
    assert run(*ask, *cures["newer"].split()[2:]) == 0
    body = server.log()[0]["body"]
    assert "max_tokens" not in body and body["max_completion_tokens"] == 1024


def test_a_key_needs_leave_to_cross_a_network_in_the_clear(server, folder, capsys):
    ask = ["--base-url", "http://models.example/v1", "--model", "m", "--wait", "0.1"]
    for command in (["profiles", folder, *ask], ["embed", folder, *ask]):
        assert run(*command) == 1
        err = capsys.readouterr().err
        assert "not sent over plain http to models.example" in err and "--insecure" in err and SENTINEL not in err


def test_what_cannot_be_written_is_said_before_anything_is_asked(server, folder, capsys, monkeypatch):
    ask = ["--base-url", server.url, "--model", "stub-model"]
    (folder / "file").write_text("")
    (folder / "place.npz").mkdir()
    for out in (folder / "file" / "x.npz", folder / f"{'x' * 300}.npz", folder / "place.npz"):
        for command in ("profiles", "embed"):
            assert run(command, folder, *ask, "--out", out) == 1
            err = capsys.readouterr().err
            assert str(out.name)[:40] in err or "file" in err
            assert "--out" in err and "Traceback" not in err
    monkeypatch.setenv("DMREC_HOME", str(folder / "file"))
    for command in ("profiles", "embed"):
        assert run(command, folder, *ask) == 1
        err = capsys.readouterr().err
        assert str(folder / "file") in err and "DMREC_HOME names another folder" in err
    assert server.log() == []
    assert not [path for path in folder.iterdir() if "probe" in path.name or path.name == "profiles.json"]


def test_no_character_fails_a_dry_run(server, folder):
    rows = [f"i{k:02},茶馆 {k}" for k in range(25)]
    (folder / "items.csv").write_text("\n".join(["item,title", *rows]), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "dmrec_core",
        "profiles",
        str(folder),
        "--dry-run",
        "--base-url",
        server.url,
    ]
    narrow = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([*command, "--model", "m"], env=narrow, capture_output=True, check=True)
    assert b"\\u8336\\u9986" in done.stdout


def test_items_may_have_the_templates_columns_and_no_text(server, folder, capsys):
    rows = [f"i{k:02},Game {k},genre{k % 3}" for k in range(25)]
    (folder / "items.csv").write_text("\n".join(["item,name,genres", *rows]), encoding="utf-8")
    ask = ["--base-url", server.url, "--model", "stub-model", "--template", "games"]
    assert run("profiles", folder, *ask) == 0
    users = [entry["text"] for entry in server.log() if "played games" in entry["text"]]
    assert users and all(re.search(r'"title": "Game \d+"', text) for text in users), "users are told names"
    assert run("embed", folder, "--embedder", "tfidf") == 0
    assert load_own(folder).language.embedder.endswith("profiles by stub-model")
    (folder / "vectors.npz").unlink()
    capsys.readouterr()
    (folder / "items.csv").write_text("\n".join(["item,genres", *(f"i{k:02},genre" for k in range(25))]))
    assert run("profiles", folder, *ask[:4]) == 1, "another template finds nothing to tell"
    assert "give such columns (to your items file" in capsys.readouterr().err
    (folder / "items.csv").write_text("\n".join(["item,title", *(f"i{k:02},Game {k}" for k in range(25))]))
    titled = load_own(folder)
    assert titled.profiles is None and titled.titles[0] == "Game 0"
    assert with_language(titled, "tfidf").language.embedder.startswith("tfidf-svd")


def test_without_a_model_it_says_so(server, folder, capsys):
    assert run("profiles", folder, "--extractive") == 0
    assert "by extractive (no language model)" in capsys.readouterr().err
    assert load_profiles(folder / "profiles.json").source == "extractive (no language model)"
    assert server.log() == []


def test_embedding_again_makes_new_vectors_but_never_over_a_strangers(folder, capsys):
    assert run("embed", folder, "--embedder", "tfidf") == 0
    first = load_own(folder).language
    assert run("profiles", folder, "--extractive") == 0
    assert run("embed", folder, "--embedder", "tfidf") == 0
    second = load_own(folder).language
    assert second.embedder.endswith("profiles by extractive (no language model)")
    assert first.user.shape != second.user.shape or (first.user != second.user).any()
    data = load_own(folder)
    ids = {"user_ids": np.array(data.user_ids), "item_ids": np.array(data.item_ids)}
    np.savez(folder / "vectors.npz", user=np.ones((20, 3)), item=np.ones((25, 3)), **ids)
    kept = (folder / "vectors.npz").read_bytes()
    assert run("embed", folder, "--embedder", "tfidf") == 1
    assert "was not written by this command" in capsys.readouterr().err
    assert (folder / "vectors.npz").read_bytes() == kept
    assert run("embed", folder, "--embedder", "tfidf", "--out", folder / "other.npz") == 0


ASK = ["--base-url", "http://localhost/v1", "--model", "m"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profiles", "toy"], "--base-url and --model"),
        (["profiles", "tyo", "--extractive"], "Did you mean toy"),
        (["profiles", "toy", "--extractive", "--template", "boks"], "built-in templates"),
        (["profiles", "toy", "--base-url", "localhost", "--model", "m"], "must start with http"),
        (["profiles", "toy", "--base-url", "http://localhost/v1", "--model", "m", "--price-prompt", "1"], "give both"),
        (["profiles", "toy", "--base-url", "http://localhost/v1", "--model", "m", "--setting", "n=2"], "must not hold"),
        (["embed", "toy", "--base-url", "http://localhost/v1"], "needs both"),
        (
            ["embed", "toy", "--base-url", "http://localhost/v1", "--model", "m", "--concurrency", "-1"],
            "--concurrency: must be a whole number",
        ),
        (["profiles", "toy", "--base-url", "http://localhost/v1", "--model", "m", "--timeout", "nan"], "timeout must"),
        (["profiles", "toy", *ASK, "--price-prompt", "nan", "--price-answer", "1"], "prices must"),
        (["embed", "toy", "--out", "vectors.csv", "--embedder", "tfidf"], "must end in .npz"),
    ],
)
def test_wrong_use_is_explained(server, arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_the_template_command_prints_what_it_reads(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["profiles", "toy", "--template", "books", "--show-template"]) == 0
    Path("mine.json").write_text(capsys.readouterr().out.replace("at most $words words", "very few words"))
    ask = ["--base-url", "http://localhost:1/v1", "--model", "m", "--dry-run"]
    assert main(["profiles", "toy", "--template", "mine.json", *ask]) == 0
    assert "very few words" in capsys.readouterr().out


def test_the_command_is_interrupted_and_resumed(server, folder):
    server.plan(latency=0.2)
    command = [sys.executable, "-m", "dmrec_core", "profiles", str(folder), "--concurrency", "2"]
    command += ["--base-url", server.url, "--model", "stub-model"]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    while len(server.log()) < 6:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130 and "the same command goes on from here" in err and "Traceback" not in err
    asked = {entry["text"] for entry in server.log()}
    server.plan()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not asked & {entry["text"] for entry in server.log()}
    assert f"{len(asked)} already answered" in done.stdout
    assert SENTINEL not in err + done.stdout + done.stderr
