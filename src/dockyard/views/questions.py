"""Predictions beside measurements, and quiz questions with feedback for every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from dockyard.exercises.exercise import Mistake
from dockyard.views.page import PREDICTION, Page, box, html_table, line, markdown, text_table


def show_prediction(
    name: str, question: str, choices: Sequence[Any], entry: Mapping[str, Any] | None
) -> Page:
    """The question, and what the reader committed to; None when there is nothing yet."""
    options = f"One of: {', '.join(map(repr, choices))}." if choices else ""
    if entry is None:
        text = "Replace the ... after guess= by your prediction and run this cell again, before you go on."
    elif "measured" in entry:
        text = f"Your prediction stands: {entry['guess']!r}. It has been measured: {entry['measured']!r}."
    else:
        text = f"Your prediction: {entry['guess']!r}. It is stored; go on and measure."
    data = {PREDICTION: {"name": name, "guess": None if entry is None else entry["guess"]}}
    html = box(line("Predict", strong=True), markdown(question), line(options) if options else "", line(text))
    return Page(html, "\n".join(part for part in ("Predict", question, options, text) if part), data)


def show_measured(name: str, entry: Mapping[str, Any]) -> Page:
    """Prediction and measurement side by side."""
    guess, measured = entry.get("guess"), entry["measured"]
    rows = [{"you predicted": "nothing yet" if guess is None else guess, "measured": measured}]
    if guess is None:
        word = "You committed to no prediction this time."
    else:
        word = (
            "As you predicted."
            if matches(guess, measured)
            else "Not as you predicted: what follows says why."
        )
    data = {PREDICTION: {"name": name, "guess": guess, "measured": measured}}
    head = str(entry.get("question", name))
    html = box(markdown(head), html_table(rows), line(word))
    return Page(html, "\n".join([head, text_table(rows), word]), data)


def matches(guess: object, measured: object) -> bool:
    """Equal, or numbers within a tenth of the measurement."""
    if isinstance(guess, int | float) and isinstance(measured, int | float):
        return abs(guess - measured) <= 0.1 * abs(measured)
    return str(guess).strip().lower() == str(measured).strip().lower()


def checked_question(name: str, question: Mapping[str, Any]) -> None:
    """Raises Mistake unless a question of quiz.toml is whole."""
    answers = question.get("answers", {})
    if not question.get("question") or len(answers) < 2 or question.get("right") not in answers:
        raise Mistake(f"quiz {name} needs a question, at least two answers, and `right` naming one of them")
    for key, answer in answers.items():
        if not answer.get("text") or not answer.get("feedback"):
            raise Mistake(f"quiz {name}, answer {key} needs text and feedback")


def show_question(
    name: str, question: Mapping[str, Any], answer: str | None, *, reveal: bool = False
) -> Page:
    """The question and its answers; the feedback of the one given, or of all on `reveal`."""
    answers: Mapping[str, Mapping[str, str]] = question["answers"]
    right = question["right"]
    html = [markdown(question["question"]), "<ul>"]
    text = [question["question"]]
    for key, option in answers.items():
        said = ""
        if reveal or key == answer:
            said = f"{'Right' if key == right else 'Wrong'}: {option['feedback']}"
        html.append(f"<li>{key}: {inline(option['text'])}{' <br>' + inline(said) if said else ''}</li>")
        text.append(f"  {key}: {option['text']}" + (f"\n     {said}" if said else ""))
    html.append("</ul>")
    if answer is None and not reveal:
        how = f'Answer with quiz("{name}", "{next(iter(answers))}") or another letter.'
        html.append(line(how))
        text.append(how)
    elif answer is not None and answer not in answers:
        wrong = f"There is no answer {answer!r}; there are {', '.join(answers)}."
        html.append(line(wrong))
        text.append(wrong)
    return Page(box(*html), "\n".join(text))


def inline(text: str) -> str:
    """Markdown within a line."""
    html = markdown(text)
    return html.removeprefix("<p>").removesuffix("</p>") if html.count("<p>") == 1 else escape(text)
