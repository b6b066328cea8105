"""The card at the head of a lesson, the task of an exercise, hints and solutions."""

from __future__ import annotations

from dockyard.exercises.exercise import Exercise
from dockyard.exercises.hints import HintShown, Solution
from dockyard.exercises.lesson import Lesson
from dockyard.views.page import Page, block, box, html_table, line, markdown, text_table


def show_lesson(
    lesson: Lesson, backend: str, remarks: list[str], done: dict[str, str], lab: str, ns: str
) -> Page:
    """What you will be able to do, how long it takes, where you work, which exercises there are."""
    head = f"{lesson.id} · {lesson.title}"
    able = (
        "You will be able to " + ", ".join(map(str, lesson.head["able"])) + "." if lesson.head["able"] else ""
    )
    needs = "You need: " + ", ".join(map(str, lesson.head["needs"])) + "." if lesson.head["needs"] else ""
    facts = f"{lesson.minutes} minutes. Backend: {backend}. Files: {lab}. Namespace: {ns}."
    rows = [
        {
            "exercise": item.id,
            "title": item.title,
            "check takes up to": f"{item.seconds:.0f} s",
            "you": done[item.id],
        }
        for item in lesson.exercises
    ]
    fast = "Know this already? Fix an exercise without reading; if its check passes, go on." if rows else ""
    lines = [able, facts, needs, *remarks, fast]
    html = box(
        line(head, strong=True),
        *(markdown(text) for text in lines if text),
        html_table(rows) if rows else "",
    )
    text = "\n".join([head, *(text for text in lines if text), text_table(rows) if rows else ""])
    return Page(html, text.rstrip())


def show_task(exercise: Exercise, lab: str, ns: str, on_stage: str) -> Page:
    """The task, and where the learner works on it."""
    head = f"{exercise.id} · {exercise.title}"
    files = ", ".join(f"{lab}/{name}" for name in exercise.files)
    where = " ".join(
        part
        for part in (
            f"Your files: {files}." if files else "",
            f"Namespace: {ns}." if exercise.on == "cluster" else "",
            f"Compose project: {ns}." if exercise.on == "compose" else "",
            f"The check takes up to {exercise.seconds:.0f} s.",
            on_stage,
        )
        if part
    )
    html = box(line(head, strong=True), markdown(exercise.task), line(where))
    return Page(html, "\n\n".join([head, exercise.task, where]))


def show_hint(hint: HintShown) -> Page:
    head = f"Hint {hint.level} of {hint.levels} for {hint.exercise}"
    more = (
        f'hint("{hint.exercise}") again gives the next.'
        if hint.level < hint.levels
        else f'That was the last; hint("{hint.exercise}", solution=True) opens the solution after an attempt.'
    )
    return Page(
        box(line(head, strong=True), markdown(hint.text), line(more)), f"{head}\n\n{hint.text}\n\n{more}"
    )


def show_solution(solution: Solution) -> Page:
    head = f"Solution of {solution.exercise}"
    if solution.withheld:
        ask = f'hint("{solution.exercise}", solution=True, anyway=True)'
        text = f"{solution.withheld} ({ask})"
        return Page(box(line(head, strong=True), line(text)), f"{head}\n\n{text}")
    diff = solution.diff or "Your files are the same as the reference answer."
    html = box(line(head, strong=True), markdown(solution.why), block(diff))
    return Page(html, f"{head}\n\n{solution.why}\n\n{diff}")
