"""`segedu grade`: a folder of submissions to results, gradebook, CSV and pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from segedu.grading.assignment import Assignment, AssignmentError
from segedu.grading.engines import choose_engine
from segedu.grading.gradebook import GradebookError, GradebookProcess
from segedu.grading.grader import Result
from segedu.grading.pages import write_pages
from segedu.grading.pool import Job, grade_in_pool, grade_on_cluster
from segedu.grading.results import ResultStore
from segedu.grading.submissions import Submission, find_submissions, own_solution


@dataclass(frozen=True)
class Options:
    """Choices of one run.

    Attributes:
        output: folder for everything that is written.
        seed: of the hidden inputs; None goes on with the last run's, or draws one.
        processes: how many submissions at a time; 0 takes the number of cores.
        regrade: grade again what is already graded.
        unsafe: without a sandbox.
        gradebook: URL of nbgrader's database; None for SQLite in `output`, "" for none.
        scheduler: address of a Dask scheduler.
    """

    output: Path
    seed: int | None = None
    processes: int = 0
    regrade: bool = False
    unsafe: bool = False
    gradebook: str | None = None
    scheduler: str | None = None


@dataclass
class Run:
    """What a batch did.

    Attributes:
        assignment: whose submissions they were.
        store: where the results are.
        results: of this batch's submissions, by student.
        resumed: how many of them were graded before and kept.
        earlier: results of other batches in the same folder; the tables list them too.
        outdated: students of those that are of another seed, sandbox or version; they do not.
        gradebook: URL of nbgrader's database; "" for none.
    """

    assignment: Assignment
    store: ResultStore
    results: list[Result] = field(default_factory=list)
    resumed: int = 0
    earlier: list[Result] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    gradebook: str = ""


Progress = Callable[[int, int, str], None]


def grade_batch(
    submissions: Path, assignment_folder: Path, options: Options, progress: Progress | None = None
) -> Run:
    """Grade everything under `submissions`; see `Options` and `results` for what comes out."""
    engine = choose_engine(options.unsafe)
    job_folder = assignment_folder.resolve()
    job = Job(job_folder, 0, engine)
    assignment = job.assignment
    found = find_submissions(submissions, assignment)
    store = ResultStore(options.output, assignment, options.seed, engine)
    job = Job(job_folder, store.seed, engine, assignment.fingerprint)
    run = Run(assignment, store)
    anew = options.regrade and not store.regrading & {s.key for s in found}
    done = {} if anew else {s.key: r for s in found if (r := store.finished(s))}
    pending = [s for s in found if s.key not in done]
    run.results = list(done.values())
    run.resumed = len(done)
    url = options.gradebook
    if url is None:
        url = f"sqlite:///{(options.output / 'gradebook.db').resolve()}"
    run.gradebook = url
    book = GradebookProcess(url, assignment, options.output) if url else None
    try:
        if pending:
            solution = own_solution(assignment)
            with closing(_graded(job, solution, pending, options)) as graded:
                _insist_on_full_marks(assignment, next(graded)[1])
                if book:
                    book.reset([s.key for s in pending])
                store.begin(pending, anew)  # after the gradebook has shown that it can be written
                for submission, result in graded:
                    store.write(submission, result)
                    run.results.append(result)
                    if progress:
                        progress(len(run.results), len(found), submission.student)
        store.end(found)
        run.results.sort(key=lambda r: r["student"])
        run.earlier, run.outdated = store.others({s.key for s in found})
        everyone = sorted([*run.results, *run.earlier], key=lambda r: r["student"])
        store.write_csv(everyone)
        write_pages(options.output, assignment, everyone)
        if book:
            _save_to(book, everyone, {s.key for s in pending}, options.output)
    finally:
        if book:
            book.close()
    return run


def _save_to(book: GradebookProcess, results: list[Result], fresh: set[str], output: Path) -> None:
    try:
        book.save(results, fresh)
    except GradebookError as error:
        raise GradebookError(
            f"{error}\nThe grades themselves are in {output}; the same command tries again."
        ) from error


def _insist_on_full_marks(assignment: Assignment, result: Result) -> None:
    """A broken check, or limits that this machine cannot keep, would cost every student points."""
    if result.get("failed"):
        raise AssignmentError(f"the solution of {assignment.name} fails: {result['failed']}")
    for exercise in result["exercises"]:
        for check in exercise["checks"]:
            if check["status"] != "passed":
                raise AssignmentError(
                    f"nothing was graded: in {assignment.folder} the solution of "
                    f"{exercise['name']} fails its own check, {check['title']}: {check['message']}"
                )


def _graded(
    job: Job, first: Submission, rest: list[Submission], options: Options
) -> Generator[tuple[Submission, Result]]:
    if options.scheduler:
        return grade_on_cluster(job, first, rest, options.scheduler)
    return grade_in_pool(job, first, rest, options.processes or os.cpu_count() or 1)
