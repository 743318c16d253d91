"""The 52 faults of the catalogue as data: what goes wrong, what is promised, what proves it.

`tests` are names of pytest nodes without their parameters. `how` is "real" where the fault
itself is made; where it cannot be made on every machine it says what stands in for it.
`python -m tests.catalogue.rows` prints the table of docs/reliability.md.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One fault."""

    number: int
    fault: str
    promise: str
    tests: tuple[str, ...]
    how: str = "real"


CRASH = "tests/core/crash/test_crash.py::"
CLI = "tests/core/test_cli.py::"
CONSUMER = "tests/core/test_consumer.py::"
CONTRACT = "tests/core/test_engine_contract.py::"
DAEMON = "tests/e2e/test_daemon.py::"
ENGINE = "tests/core/test_engine_directory.py::"
DRIVER = "tests/core/test_driver.py::"
FILES = "tests/core/test_files.py::"
GATES = "tests/core/test_gates.py::"
HOSTILE = "tests/catalogue/test_hostile_files.py::"
INPUT = "tests/core/test_engine_input.py::"
KILLS = "tests/catalogue/test_kills.py::"
LOGCAP = "tests/core/test_session_logcap.py::"
MACHINE = "tests/core/test_doctor_machine.py::"
NAMESAKES = "tests/core/test_engine_namesakes.py::"
OWNERS = "tests/catalogue/test_owners.py::"
OWNER = "tests/core/test_ownership.py::"
RESOURCES = "tests/catalogue/test_resources.py::"
ROOTS = "tests/core/test_doctor_roots.py::"
RUNNER = "tests/core/test_session_runner.py::"
SCHEDULE = "tests/core/test_schedule.py::"
SECRETS = "tests/catalogue/test_secrets.py::"
SIMULATION = "tests/simulation/test_simulation.py::"
SURVIVORS = "tests/core/test_session_survivors.py::"
VERSIONS = "tests/catalogue/test_versions.py::"
WATCH = "tests/core/test_watch.py::"
WRITES = "tests/catalogue/test_writes.py::"

MIXTURE = (
    "tests/core/crash/test_machine.py::"
    "test_any_mixture_of_events_loses_nothing_and_drains_in_the_end"
)
ZOO = HOSTILE + "test_what_is_no_tick_is_set_aside_as_it_came_and_the_next_one_runs"
WHOLE_ZOO = HOSTILE + "test_the_whole_zoo_at_once_and_the_installed_program"

ROWS = (
    Row(
        1, "the consumer is killed between any two calls of the system",
        "every tick stays in exactly one place, and a restart goes on",
        (
            CRASH + "test_a_kill_of_the_process_and_then_a_power_cut_lose_nothing",
            CRASH + "test_kills_in_longer_histories",
            KILLS + "test_a_kill_before_any_call_on_real_files_is_recovered",
            KILLS + "test_a_command_that_is_killed_leaves_a_whole_tick_or_none",
            KILLS + "test_a_consumer_that_is_killed_again_and_again_under_load_loses_nothing",
            MIXTURE,
            DRIVER + "test_after_kill_9_nothing_runs_twice_and_the_tick_comes_back",
        ),
        "real, and a disk in memory for every longer history",
    ),
    Row(
        2, "the power goes",
        "what was acknowledged is there, attempts are not forgotten, what was done stays done",
        (
            CRASH + "test_no_history_of_seven_verbs_loses_anything_to_a_power_cut",
            CRASH + "test_with_any_one_write_left_out_the_suite_turns_red",
            MIXTURE,
            SIMULATION + "test_three_weeks_keep_every_invariant_and_the_queue_drains",
        ),
        "a disk in memory that lays out every legal state of the platter",
    ),
    Row(
        3, "a write takes only part, is interrupted, or finds the disk full",
        "it is carried on or taken back whole; nothing half written is ever in a folder",
        (
            WRITES + "test_a_write_that_takes_only_part_is_carried_on",
            WRITES + "test_a_write_that_is_interrupted_is_tried_again",
            WRITES + "test_a_disk_that_is_full_in_the_middle_leaves_nothing",
            WRITES + "test_the_command_says_that_it_could_not_and_leaves_nothing",
        ),
        "the system call itself, and strace on the installed command where there is one",
    ),
    Row(
        4, "a flush fails",
        "nothing is acknowledged, and the same file is never flushed a second time",
        (
            WRITES + "test_what_could_not_be_flushed_is_not_acknowledged",
            WRITES + "test_a_claim_that_could_not_be_flushed_starts_nothing",
            WRITES + "test_a_result_that_could_not_be_flushed_is_settled_later",
            ROOTS + "test_a_disk_that_refuses_is_told_with_its_reason",
            CRASH + "test_a_disk_that_fails_loses_nothing_and_the_second_try_succeeds",
        ),
        "the file layer, and strace on the installed command where there is one",
    ),
    Row(
        5, "no bytes or no inodes are left",
        "new ticks are refused before that, what runs may end, and all goes on with new room",
        (
            RESOURCES + "test_bytes_and_then_inodes_run_out_and_nothing_is_lost",
            RESOURCES + "test_a_consumer_waits_for_room",
            CONSUMER + "test_a_full_disk_holds_the_consumer_says_so_and_passes",
            ROOTS + "test_little_room_is_told_before_it_is_none",
        ),
        "a small file system in a user namespace; the file layer where there is none",
    ),
    Row(
        6, "the disk becomes read-only, or the bus belongs to another user",
        "one clear line with a remedy, about a look a second, and on when it may write again",
        (
            RESOURCES + "test_a_consumer_waits_until_its_disk_may_be_written_again",
            RESOURCES + "test_a_consumer_waits_until_it_has_the_right_again",
        ),
    ),
    Row(
        7, "no file descriptors are left",
        "the consumer holds; no tick is lost, set aside or dead-lettered for it",
        (RESOURCES + "test_a_consumer_without_descriptors_waits_for_some",),
    ),
    Row(
        8, "a file is torn, empty or filled with NUL",
        "quarantine with a reason once it has rested for 5 s; state files likewise",
        (
            ZOO, WHOLE_ZOO,
            HOSTILE + "test_a_file_that_may_still_be_written_waits_and_is_then_judged",
            GATES + "test_damaged_files_are_set_aside_and_never_fatal",
            "tests/core/test_journal.py::"
            "test_a_half_line_is_closed_before_the_next_entry_and_passed_over",
            "tests/core/test_ledger.py::test_a_damaged_file_is_set_aside_and_a_new_one_begun",
        ),
    ),
    Row(
        9, "a file is no UTF-8, has a byte order mark or half a surrogate pair",
        "quarantine; nothing that is printed can fail for it",
        (
            ZOO,
            WHOLE_ZOO,
            "tests/core/test_text.py::test_the_result_can_be_encoded_and_is_stable",
            RUNNER + "test_an_emoji_that_the_cli_has_cut_in_two_is_a_reason_like_any_other",
            "tests/core/test_session_outcome.py::"
            "test_whatever_a_run_prints_its_verdict_is_one_that_every_file_takes",
            GATES + "test_a_reason_that_no_file_takes_is_kept_readable",
        ),
    ),
    Row(
        10, "a file of a gigabyte, nested without end, with numbers that are none, or a key twice",
        "quarantine within a second, and in little memory",
        (ZOO, INPUT + "test_any_bytes_are_a_tick_or_a_reason"),
    ),
    Row(
        11, "a newer program adds fields",
        "they come through every rewrite unchanged",
        (
            HOSTILE + "test_unknown_fields_come_back_as_they_were",
            CONTRACT + "test_unknown_fields_and_the_payload_survive_every_move",
        ),
    ),
    Row(
        12, "a field is missing or of the wrong type, or the cadence is unknown",
        "quarantine that names the field; an unknown cadence is a dead letter at once",
        (
            ZOO,
            HOSTILE + "test_one_wrong_field_is_named_or_does_no_harm",
            CONSUMER + "test_an_unregistered_cadence_without_a_prompt_is_dead_lettered_at_once",
        ),
    ),
    Row(
        13, "an id that climbs, is too long, or is not its file's name",
        "refused by producers, quarantine for dropped files; nothing outside of the root",
        (
            ZOO,
            HOSTILE + "test_whatever_an_id_says_nothing_is_written_elsewhere",
            HOSTILE + "test_whatever_a_file_is_called_it_stays_inside",
            CONTRACT + "test_what_is_no_name_is_refused",
        ),
    ),
    Row(
        14, "a symbolic link in the inbox",
        "the link goes to quarantine, its target is neither read nor changed",
        (ZOO, HOSTILE + "test_the_target_of_a_link_is_neither_read_nor_changed"),
    ),
    Row(
        15, "a file with a second name",
        "it runs, and the other name keeps its bytes",
        (
            HOSTILE + "test_a_file_with_a_second_name_runs_and_the_other_name_keeps_its_bytes",
            HOSTILE + "test_of_two_names_of_one_file_only_the_right_one_is_a_tick",
        ),
    ),
    Row(
        16, "a pipe, a socket or a folder with a tick's name",
        "quarantine; nobody ever waits on it",
        (
            ZOO,
            WHOLE_ZOO,
            INPUT + "test_what_is_no_file_is_quarantined_without_waiting_for_it",
            RUNNER + "test_what_a_run_puts_in_the_place_of_its_logs_holds_nobody_up",
            "tests/core/test_ledger.py::"
            "test_what_is_no_file_in_its_place_is_set_aside_and_never_waited_on",
            "tests/core/test_cli_acts.py::test_settings_that_are_no_file_hold_no_producer_up",
        ),
    ),
    Row(
        17, "a file that may not be read",
        "it waits for a moment, then quarantine; what we write is 0600 in folders of 0700",
        (
            HOSTILE + "test_a_file_that_may_not_be_read_waits_a_moment_and_is_set_aside",
            HOSTILE + "test_files_and_folders_are_private_to_their_owner",
        ),
    ),
    Row(
        18, "copies of editors and sync programs, dot files, upload names",
        "dot files are left alone, the rest is quarantine by its name",
        (ZOO, HOSTILE + "test_files_on_the_way_are_left_alone"),
    ),
    Row(
        19, "a folder of the bus is deleted, replaced or moved under the consumer",
        "it is made again and watched again; a bus that is moved away whole ends its consumer",
        (
            OWNERS + "test_an_inbox_that_goes_under_a_running_consumer_is_made_again",
            OWNERS + "test_a_bus_that_is_moved_away_ends_its_consumer_and_its_run",
            WATCH + "test_an_inbox_that_is_deleted_and_made_again_is_watched_again",
            WATCH + "test_a_whole_bus_that_is_deleted_and_made_again_is_watched_again",
        ),
    ),
    Row(
        20, "the watcher drops events, or the system has no watches left",
        "only latency: a look every poll_seconds, and polling that says so",
        (
            RESOURCES + "test_a_watcher_that_hears_nothing_only_costs_time",
            RESOURCES + "test_without_inotify_it_polls_and_says_so",
            WATCH + "test_without_watches_it_polls_says_so_and_comes_back",
        ),
    ),
    Row(
        21, "two consumers at once",
        "one works, the other names it; no claim is made twice",
        (
            OWNERS + "test_of_many_who_want_the_lock_at_one_moment_one_gets_it",
            OWNERS + "test_of_two_consumers_started_together_one_works_and_one_names_it",
            OWNERS + "test_two_engines_on_one_inbox_never_claim_the_same_tick",
            OWNER + "test_the_second_one_is_refused_and_told_who_holds_it",
            DRIVER + "test_a_second_consumer_is_told_who_works_here",
            DAEMON + "test_a_second_consumer_is_refused_and_the_first_is_named",
        ),
    ),
    Row(
        22, "a stale lock, a pid that is used again",
        "the kernel frees the lock; a process is its pid with its start time",
        (
            OWNER + "test_a_killed_owner_frees_the_lock_at_once",
            OWNERS + "test_a_stranger_with_the_pid_of_a_run_is_not_ended",
            SURVIVORS + "test_a_pid_that_is_used_again_is_nobody_s_orphan",
            "tests/core/test_session_processes.py::"
            "test_a_pid_that_is_used_again_is_never_signalled",
        ),
    ),
    Row(
        23, "a child holds the lock's descriptor",
        "none does: a restart works while children of the last consumer still live",
        (
            OWNERS + "test_the_lock_is_free_while_children_of_a_killed_consumer_live",
            OWNER + "test_children_do_not_inherit_the_lock",
        ),
    ),
    Row(
        24, "the consumer dies, its sub-session lives on",
        "it is ended before its tick runs again; never two runs of one tick",
        (
            OWNERS + "test_the_lock_is_free_while_children_of_a_killed_consumer_live",
            SURVIVORS + "test_a_run_does_not_outlive_a_consumer_that_is_killed",
            SURVIVORS + "test_the_next_consumer_ends_what_an_earlier_one_left",
            DAEMON + "test_after_a_kill_the_next_consumer_ends_the_orphan_and_runs_its_tick",
        ),
    ),
    Row(
        25, "a tick kills its consumer again and again",
        "after three deaths it is a dead letter that says so",
        (
            OWNERS + "test_a_tick_that_kills_its_consumer_is_given_up_after_three",
            CONSUMER + "test_a_tick_that_kills_its_consumer_three_times_is_dead_lettered",
            SIMULATION + "test_a_poisonous_tick_that_goes_on_for_ever_is_found",
        ),
    ),
    Row(
        26, "a consumer that was stopped wakes up after another took its place",
        "its late completion is refused, and it ends",
        (
            OWNERS + "test_a_consumer_that_wakes_up_after_its_place_was_taken_settles_nothing",
            OWNERS + "test_a_consumer_that_is_stopped_keeps_its_place_and_goes_on",
            CONTRACT + "test_a_dead_consumers_claim_is_taken_over_and_its_own_token_refused",
            CONTRACT + "test_a_claim_can_be_settled_once",
        ),
    ),
    Row(
        27, "thousands of ticks of a held cadence wait in front",
        "the others go on at full speed; held ticks keep order and attempts",
        (
            ENGINE + "test_held_ticks_cost_no_call_of_the_system",
            CONSUMER + "test_a_held_cadence_never_delays_another_one",
            CONSUMER + "test_held_ticks_keep_their_attempts_and_their_files",
            SIMULATION + "test_a_planted_bug_is_found",
        ),
    ),
    Row(
        28, "a restart while a circuit is open",
        "a crash restores it, cut to its full time; what ran out lets one probe through",
        (
            GATES + "test_after_a_crash_open_circuits_are_restored",
            GATES + "test_a_circuit_that_ran_out_while_nobody_looked_is_half_open",
            GATES
            + "test_a_clock_that_jumped_back_keeps_no_circuit_open_for_longer_than_its_full_time",
        ),
    ),
    Row(
        29, "the wall clock jumps by hours, files come from the future",
        "waits inside a process do not move, stored deadlines are capped, nothing runs early",
        (
            CONSUMER + "test_a_wall_clock_that_jumps_changes_no_hold",
            CONTRACT + "test_a_clock_that_goes_back_makes_nothing_run_early",
            RUNNER + "test_a_wall_clock_that_jumps_ends_nothing",
            HOSTILE + "test_a_file_that_may_still_be_written_waits_and_is_then_judged",
        ),
        "a clock that is moved by hand",
    ),
    Row(
        30, "clocks change in spring and autumn",
        "once in the repeated hour, once for the skipped one; stored times are UTC",
        (
            SCHEDULE + "test_both_sundays_in_berlin",
            SCHEDULE + "test_due_times_around_a_change_of_clocks_are_those_of_the_oracle",
            "tests/core/test_schedule_produce.py::"
            "test_on_both_sundays_a_day_has_one_run_of_a_daily_cadence",
        ),
        "a clock that is moved by hand",
    ),
    Row(
        31, "the machine sleeps and wakes up",
        "no time-out fires at once; what was missed comes once",
        (
            OWNERS + "test_a_consumer_that_is_stopped_keeps_its_place_and_goes_on",
            RUNNER + "test_time_that_the_machine_sleeps_does_not_count",
            "tests/core/test_schedule_produce.py::test_after_sleep_what_was_missed_comes_once",
        ),
        "a clock that is moved by hand, and a consumer that is stopped",
    ),
    Row(
        32, "a sub-session ignores TERM",
        "TERM, the grace time, then KILL for all of it",
        (
            RUNNER + "test_term_comes_first_and_kill_after_the_grace",
            SURVIVORS + "test_nobody_outlives_a_run_that_takes_too_long",
        ),
    ),
    Row(
        33, "grandchildren hold pipes open, or move to sessions of their own",
        "they are ended with the run, and hold nothing up",
        (
            SURVIVORS + "test_nobody_outlives_a_run",
            SURVIVORS + "test_a_pipe_that_a_child_keeps_open_holds_nothing_up",
        ),
        "real; without a subreaper (macOS) the environment marker finds them",
    ),
    Row(
        34, "the CLI ends and leaves a child in the background",
        "it is ended too",
        (
            SURVIVORS + "test_processes_that_are_gone_are_no_news",
            "tests/core/test_jobs.py::"
            "test_a_daemon_that_a_guard_has_made_without_a_trace_ends_with_it",
            SURVIVORS + "test_nobody_outlives_a_run",
        ),
    ),
    Row(
        35, "a sub-session writes gigabytes",
        "head and tail stay on the disk, the log says what is missing, nobody is held up",
        (
            LOGCAP + "test_a_run_that_writes_a_gigabyte_is_capped_and_not_held_up",
            LOGCAP + "test_head_and_tail_stay_and_the_log_says_what_is_missing",
        ),
    ),
    Row(
        36, "a line without an end, progress bars, bytes that are no text",
        "bounded memory, replaced characters, every other line readable",
        (
            "tests/core/test_session_stream.py::"
            "test_ten_megabytes_in_a_line_are_read_in_good_time_and_memory",
            "tests/core/test_session_stream.py::test_endless_noise_takes_no_memory",
            "tests/core/test_logfile.py::"
            "test_a_file_without_any_newline_is_cut_into_lines_of_bounded_length",
        ),
    ),
    Row(
        37, "the line to the terminal drops",
        "the console ends, its run too, and the tick is back in the inbox",
        (
            "tests/e2e/test_console.py::test_when_the_line_drops_the_run_ends_and_its_tick_is_back",
            "tests/e2e/test_terminal.py::test_a_dropped_line_ends_the_program",
        ),
    ),
    Row(
        38, "nobody reads stdout or stderr any more",
        "commands end, a consumer works on",
        (
            OWNERS + "test_a_consumer_whose_output_nobody_reads_works_on",
            CLI + "test_a_reader_that_has_seen_enough_is_no_error",
            CLI + "test_closed_standard_descriptors_break_nothing",
            CLI + "test_output_that_cannot_be_written_is_a_failure_with_a_reason",
        ),
    ),
    Row(
        39, "TERM or INT at any moment, and twice",
        "nothing more is claimed, what runs goes back unspent; the second one skips the grace",
        (
            OWNERS + "test_the_second_signal_skips_the_grace",
            OWNERS + "test_a_stop_at_any_moment_leaves_what_is_not_done_unspent",
            DAEMON + "test_a_terminated_daemon_puts_its_tick_back_and_says_so",
            "tests/core/test_cli_acts.py::test_a_signal_ends_the_consumer_cleanly",
            CONSUMER + "test_a_clean_stop_puts_the_running_tick_back_with_its_attempt",
        ),
    ),
    Row(
        40, "escape sequences in ids, names, logs and errors",
        "they are shown, never obeyed",
        (
            "tests/core/test_text.py::test_no_control_or_format_character_survives",
            CLI + "test_nothing_in_a_file_steers_the_terminal",
            "tests/tui/test_log_hostile.py::"
            "test_the_bytes_that_reach_a_terminal_hold_only_text_and_our_own_sequences",
            WHOLE_ZOO,
        ),
    ),
    Row(
        41, "markup of the console's library in foreign text",
        "it is text",
        (
            "tests/tui/test_runs_screen.py::test_hostile_names_and_reasons_are_shown_as_text",
            "tests/tui/test_log_hostile.py::test_a_hostile_transcript_is_shown_as_text",
            "tests/tui/test_presentation.py::test_foreign_text_is_shown_and_never_obeyed",
        ),
    ),
    Row(
        42, "a secret of .env in output, errors and reasons",
        "it is nowhere in state, journal, ledger, command lines or on a screen",
        (
            SECRETS + "test_a_secret_is_nowhere_after_runs_that_told_it",
            "tests/core/test_redact.py::"
            "test_the_value_never_survives_and_masking_twice_changes_nothing",
            CLI + "test_secrets_of_the_env_file_are_masked_in_text_and_json",
            RUNNER + "test_the_prompt_comes_over_stdin_from_a_file_and_in_no_argument",
        ),
    ),
    Row(
        43, ".env readable by others, a umask of 000",
        "doctor fails on the first; what we make is private whatever the umask",
        (
            ROOTS + "test_each_illness_has_its_finding_remedy_and_exit_code",
            SECRETS + "test_whatever_the_umask_what_we_make_is_private",
            FILES + "test_files_and_folders_are_private_whatever_the_umask",
        ),
    ),
    Row(
        44, "a network share answers a request that it carried out with an error",
        "nothing is lost and nothing runs twice at once; doctor warns of such a place",
        (
            WRITES + "test_a_request_that_was_carried_out_twice_loses_nothing",
            MACHINE + "test_unfit_file_systems_are_warned_of",
            ROOTS + "test_locks_that_do_not_exclude_are_a_failure",
        ),
        "the file layer and a table of mounts; not run on a share",
    ),
    Row(
        45, "the agent root lies in a folder that another program synchronises",
        "doctor warns; conflicted copies go to quarantine, placeholders are left alone",
        (
            MACHINE + "test_folders_that_another_program_syncs",
            HOSTILE + "test_a_file_that_cannot_be_read_holds_no_other_up",
            ZOO,
            HOSTILE + "test_files_on_the_way_are_left_alone",
        ),
        "paths and names; not run on a Mac",
    ),
    Row(
        46, "a volume that does not tell A from a",
        "two ids never share a file; names that we make are lower case and plain",
        (
            WRITES + "test_ids_that_differ_in_case_never_share_a_file",
            WRITES + "test_names_made_by_us_are_plain_and_lower_case",
        ),
        "the file layer with folded names; not run on a Mac",
    ),
    Row(
        47, "fsync does not reach the platter on macOS",
        "F_FULLFSYNC, and fsync only where a volume does not know it",
        (
            WRITES + "test_macos_is_asked_for_a_full_flush_and_fsync_is_the_fallback",
            WRITES + "test_on_macos_a_failing_disk_is_an_error_and_no_fallback",
        ),
        "an fcntl that notes what it is asked; not run on a Mac",
    ),
    Row(
        48, "a file system without a journal, or without hard links",
        "without a journal the same promises; without links they need a journal",
        (
            CRASH + "test_no_history_of_seven_verbs_loses_anything_to_a_power_cut",
            CRASH + "test_without_hard_links_a_journal_is_enough",
        ),
        "a disk in memory that lays out every legal state of the platter",
    ),
    Row(
        49, "two writers hit on the same name",
        "one of them is refused; nothing is written over",
        (
            WRITES + "test_two_producers_with_one_name_do_not_cover_each_other",
            WRITES + "test_a_temp_name_that_is_taken_is_not_written_over",
            WRITES + "test_an_enqueue_never_covers_a_file_that_another_program_dropped",
            FILES + "test_of_many_who_publish_one_name_exactly_one_wins",
            NAMESAKES + "test_a_dead_letter_never_displaces_an_older_one_with_its_id",
            NAMESAKES + "test_each_of_two_letters_is_retried_and_discarded_by_its_own_id",
            NAMESAKES + "test_a_tick_that_goes_back_sets_a_file_with_its_id_aside",
        ),
    ),
    Row(
        50, "a hundred thousand waiting ticks or dead letters",
        "a claim costs no more, reading is cut into slices, what is old is pruned",
        (
            "tests/core/test_observe_reader.py::"
            "test_many_new_files_are_read_in_slices_and_all_of_them_in_the_end",
            "tests/core/test_engine_index.py::"
            "test_a_hundred_thousand_ticks_fit_into_forty_megabytes",
            ENGINE + "test_many_new_files_are_read_in_slices",
            ENGINE + "test_a_page_of_dead_letters_reads_no_other",
            CONTRACT + "test_many_letters_come_back_at_once",
            CONTRACT + "test_old_trash_is_cleared_and_young_kept",
        ),
        "a hundred thousand in memory, thousands on the disk; the rest is `make bench`",
    ),
    Row(
        51, "older and newer programs on one bus",
        "the reference's files are read, its names are kept, unknown fields survive",
        (
            VERSIONS + "test_a_tick_that_the_reference_left_waiting_is_run",
            VERSIONS + "test_a_tick_that_the_reference_had_claimed_is_recovered",
            VERSIONS + "test_a_dead_letter_of_the_reference_is_shown_and_retried",
            VERSIONS + "test_a_circuit_that_the_reference_opened_holds_its_cadence",
            VERSIONS + "test_what_we_write_has_the_names_that_the_reference_reads",
            VERSIONS + "test_the_heartbeat_of_a_newer_consumer_is_shown",
            INPUT + "test_a_tick_of_the_reference_is_read_as_it_stands",
            GATES + "test_a_circuit_file_written_by_another_program_is_taken_over",
            "tests/core/test_ledger.py::test_a_newer_schema_is_left_alone",
        ),
    ),
    Row(
        52, "folders of the bus on two file systems",
        "the consumer refuses to start and names the folder",
        (
            RESOURCES + "test_a_bus_on_two_file_systems_is_refused_by_name",
            RESOURCES + "test_a_folder_on_another_disk_is_refused_by_the_engine",
            ROOTS + "test_a_bus_over_two_file_systems_is_a_failure",
        ),
    ),
)  # fmt: skip


def table() -> str:
    """The rows as they stand in docs/reliability.md."""
    lines = ["| # | fault | promised | proved with |", "|---|---|---|---|"]
    lines += [f"| {row.number} | {row.fault} | {row.promise} | {row.how} |" for row in ROWS]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
