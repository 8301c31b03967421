//! The rows.

use super::{CommandSpec, Scope};
use crate::app::input::Input;
use crate::app::keymap::typed;
use crate::app::log::MessageList;
use crate::app::overlay::Move;
use crate::app::page::Motion;
use crate::app::runs::Seeding;
use crate::app::screen::PaneId;
use crate::app::shots::Preview;
use crate::app::train::TRAIN;
use crate::prompt::Wording;
use crate::sampling::Step;
use crate::train::Begin;

macro_rules! commands {
    ($($scope:ident { $($id:ident = $name:literal $keys:tt $hint:literal $([$($attribute:ident)*])? $doc:literal $run:expr;)* })*) => {
        /// Every command, in the order of the help screen.
        pub static COMMANDS: &[CommandSpec] = &[$($(
            CommandSpec {
                $($($attribute: true,)*)?
                ..CommandSpec::new(id::$id, Scope::$scope, &$keys, $hint, $doc, $run)
            },
        )*)*];

        /// A constant for each command, so that a hint cannot name one that is not there.
        #[expect(missing_docs, reason = "a row of the table says what each command does")]
        pub mod id {
            use super::super::CommandId;
            $($(pub const $id: CommandId = CommandId($name);)*)*
        }
    };
}

commands! {
    GLOBAL {
        GENERATE = "generate" ["ctrl-g", "f5"] "generate" [plain] "generate: go on from the end of the document" |cx| cx.generate();
        HELP = "help" ["f1", "?"] "help" [anywhere] "all keys" |cx| cx.app.open_help();
        PALETTE = "palette" ["ctrl-p", ":"] "commands" [anywhere unlisted] "all commands that count here, found by typing" |cx| cx.app.toggle_palette();
        MODELS = "models" ["f2"] "models" [anywhere plain] "models: load, download, folder" |cx| cx.app.open_models();
        SAMPLING = "sampling" ["f3"] "sampling" "the sampling pane" |cx| cx.app.focus_pane(PaneId::SAMPLING);
        SHOTS = "shots" ["f4"] "few-shot" "the few-shot pane" |cx| cx.app.focus_pane(PaneId::SHOTS);
        TRAIN = "train" ["f8"] "train" [anywhere] "the train view: a small training run, live; again: back" |cx| cx.app.toggle_view(&TRAIN);
        TOKENS = "tokens" ["ctrl-t"] "tokens" "token mode: look at any token, take another; again: back to the text" |cx| cx.toggle_token_mode();
        STATISTICS = "statistics" ["f7"] "figures" "perplexity, bits per byte, ranks and surprisal of the text" |cx| cx.app.open_statistics();
        STOP = "stop" ["esc"] "stop" [anywhere] "stop; else end the selection; else dismiss the message; else close the overlay; else between the text and its tokens" |cx| cx.escape();
        NEXT_PANE = "next-pane" ["tab"] "pane" [anywhere] "next pane" |cx| cx.app.step_focus(1);
        PREVIOUS_PANE = "previous-pane" ["shift-tab"] "" [anywhere] "previous pane" |cx| cx.app.step_focus(-1);
        STEP = "step" ["f6"] "" "draw one token" |cx| cx.app.step_once();
        SWEEP = "sweep" ["alt-g"] "" "the continuation at six temperatures from 0 to 2, side by side, of which one can be taken" |cx| cx.sweep();
        REGENERATE = "regenerate" ["ctrl-r"] "regenerate" [plain] "another version of the last generation, with a new seed" |cx| cx.app.regenerate(Seeding::New);
        REGENERATE_SAME = "regenerate-same" ["alt-r"] "" [plain] "another version of the last generation, with the same seed" |cx| cx.app.regenerate(Seeding::Same);
        NEXT_VERSION = "next-version" ["alt-.", "]"] "" "the next version from the branching point before the caret" |cx| cx.turn_version(1);
        PREVIOUS_VERSION = "previous-version" ["alt-,", "["] "" "the previous version from there" |cx| cx.turn_version(-1);
        TREE = "tree" ["alt-v", "f10"] "" "all versions of the text, as a tree" |cx| cx.app.toggle_tree();
        NEW_SESSION = "new-session" ["ctrl-n"] "" "an empty page in a new session; the old one stays on disk" |cx| cx.new_session();
        INTERRUPT = "interrupt" ["ctrl-c"] "" [anywhere] "stop; when idle, twice to quit" |cx| cx.app.interrupt();
        UNDO = "undo" ["ctrl-_"] "" [plain] "undo an edit or a generation" |cx| cx.undo();
        REDO = "redo" ["alt-_"] "" [plain] "redo" |cx| cx.redo();
        MESSAGES = "messages" ["f9"] "" [anywhere] "all messages of this run" |cx| cx.app.toggle(MessageList);
        EDITOR = "editor" ["ctrl-o"] "" "edit the document in $VISUAL or $EDITOR" |cx| cx.app.open_editor();
        COPY = "copy" ["ctrl-y"] "" "copy what is selected, or else the document, also to the terminal's clipboard (OSC 52)" |cx| cx.copy();
        COPY_SEED = "copy-seed" ["alt-y"] "" "copy the seed that the last generation really used" |cx| cx.app.copy_seed();
        SAVE = "save" ["ctrl-s"] "" [plain] "save the document as a text file" |cx| cx.app.ask_save();
        EXPORT = "export" ["alt-e"] "" "export: the document, or the last generation as a trace or a command, to a file or the clipboard" |cx| cx.app.open_export();
        SAVE_PROMPT = "save-prompt" ["alt-s"] "" "save the document as a prompt with a name" |cx| cx.app.ask_prompt_name();
        PROMPTS = "prompts" ["alt-o"] "" "saved prompts: load, rename, delete" |cx| cx.app.open_prompts();
        SHOW_TOKENS = "show-tokens" ["alt-i"] "" "show tokens in the document, and the one under the caret: id, bytes, place" |cx| cx.app.editing.toggle_token_marks();
        SHOW_SPACES = "show-spaces" ["alt-w"] "" "show white space in the document" |cx| cx.app.editing.toggle_spaces();
        SCREENSHOT = "screenshot" ["f12"] "" [anywhere] "save the screen as an SVG file" |cx| cx.app.screenshot();
        REDRAW = "redraw" ["ctrl-l"] "" [anywhere] "draw the whole screen again" |cx| cx.app.redraw();
        MOUSE = "mouse" ["alt-m"] "" [anywhere] "the mouse on or off: click focuses, the wheel scrolls, a drag sets a slider; Shift+drag stays the terminal's own" |cx| cx.app.toggle_mouse();
        SUSPEND = "suspend" ["ctrl-z"] "" [anywhere] "suspend to the shell" |cx| cx.app.suspend();
        QUIT = "quit" ["ctrl-q"] "" [anywhere plain] "quit; twice where text is not saved" |cx| cx.app.quit();
    }
    DOCUMENT {
        LEFT = "left" ["left"] "" "one character left" |cx| cx.move_caret(Motion::Left);
        RIGHT = "right" ["right"] "" "one character right" |cx| cx.move_caret(Motion::Right);
        WORD_LEFT = "word-left" ["ctrl-left", "alt-left", "alt-b"] "" "one word left" |cx| cx.move_caret(Motion::WordLeft);
        WORD_RIGHT = "word-right" ["ctrl-right", "alt-right", "alt-f"] "" "one word right" |cx| cx.move_caret(Motion::WordRight);
        UP = "up" ["up"] "" "one line up" |cx| cx.move_caret(Motion::Up);
        DOWN = "down" ["down"] "" "one line down" |cx| cx.move_caret(Motion::Down);
        PAGE_UP = "page-up" ["pageup"] "" "one page up" |cx| cx.move_caret(Motion::PageUp);
        PAGE_DOWN = "page-down" ["pagedown"] "" "one page down" |cx| cx.move_caret(Motion::PageDown);
        LINE_START = "line-start" ["home", "ctrl-a"] "" "start of the line" |cx| cx.move_caret(Motion::LineStart);
        LINE_END = "line-end" ["end", "ctrl-e"] "" "end of the line" |cx| cx.move_caret(Motion::LineEnd);
        TEXT_START = "text-start" ["ctrl-home", "alt-<"] "" "start of the text" |cx| cx.move_caret(Motion::Start);
        TEXT_END = "text-end" ["ctrl-end", "alt->"] "" "end of the text, and follow what is generated" |cx| cx.move_caret(Motion::End);
        NEWLINE = "newline" ["enter"] "" "new line" |cx| cx.type_text("\n");
        BACKSPACE = "backspace" ["backspace", "ctrl-h"] "" "remove the character before the caret" |cx| cx.erase(Motion::Left);
        DELETE = "delete" ["delete", "ctrl-d"] "" "remove the character after the caret" |cx| cx.erase(Motion::Right);
        DELETE_WORD = "delete-word" ["ctrl-w", "alt-backspace"] "" "remove the word before the caret" |cx| cx.erase(Motion::WordLeft);
        DELETE_LINE = "delete-line" ["ctrl-u"] "" "remove to the start of the line" |cx| cx.erase(Motion::LineStart);
        CLEAR = "clear" ["alt-c"] "" [plain] "empty the document (undo brings it back)" |cx| cx.clear_document();
        TRIM = "trim" ["alt-t"] "" [plain] "remove white space at the end of the document" |cx| cx.trim_end();
        FIND = "find" ["ctrl-f"] "" "search in the document" |cx| cx.find();
        SELECT_LEFT = "select-left" ["shift-left"] "" "select to the left" |cx| cx.select(Motion::Left);
        SELECT_RIGHT = "select-right" ["shift-right"] "" "select to the right" |cx| cx.select(Motion::Right);
        SELECT_WORD_LEFT = "select-word-left" ["ctrl-shift-left", "alt-shift-left"] "" "select one word to the left" |cx| cx.select(Motion::WordLeft);
        SELECT_WORD_RIGHT = "select-word-right" ["ctrl-shift-right", "alt-shift-right"] "" "select one word to the right" |cx| cx.select(Motion::WordRight);
        SELECT_UP = "select-up" ["shift-up"] "" "select one line up" |cx| cx.select(Motion::Up);
        SELECT_DOWN = "select-down" ["shift-down"] "" "select one line down" |cx| cx.select(Motion::Down);
        SELECT_PAGE_UP = "select-page-up" ["shift-pageup"] "" "select one page up" |cx| cx.select(Motion::PageUp);
        SELECT_PAGE_DOWN = "select-page-down" ["shift-pagedown"] "" "select one page down" |cx| cx.select(Motion::PageDown);
        SELECT_LINE_START = "select-line-start" ["shift-home"] "" "select to the start of the line" |cx| cx.select(Motion::LineStart);
        SELECT_LINE_END = "select-line-end" ["shift-end"] "" "select to the end of the line" |cx| cx.select(Motion::LineEnd);
        SELECT_TEXT_START = "select-text-start" ["ctrl-shift-home"] "" "select to the start of the text" |cx| cx.select(Motion::Start);
        SELECT_TEXT_END = "select-text-end" ["ctrl-shift-end"] "" "select to the end of the text" |cx| cx.select(Motion::End);
        SELECT_ALL = "select-all" ["alt-a"] "" "select the whole document" |cx| cx.select_all();
        MARK = "mark" ["ctrl-space"] "" "set a mark: every motion selects from it, without Shift; again: no mark" |cx| cx.mark();
        CUT = "cut" ["ctrl-x"] "" "cut what is selected" |cx| cx.cut();
        PASTE = "paste" ["ctrl-v"] "" "put in what was copied or cut last" |cx| cx.put_back();
    }
    EXAMPLES {
        EXAMPLE_RUN = "example-run" ["alt-1", "alt-2", "alt-3", "alt-4", "alt-5", "alt-6", "alt-7", "alt-8", "alt-9"] "" [unlisted] "put this example in and generate" |cx| cx.examples_run();
        EXAMPLE_UP = "example-up" ["up"] "" "previous example" |cx| cx.app.examples_select(-1);
        EXAMPLE_DOWN = "example-down" ["down"] "" "next example" |cx| cx.app.examples_select(1);
        EXAMPLE_TAKE = "example-take" ["enter"] "" "put the selected example in" |cx| cx.examples_take();
        EXAMPLE_HIDE = "example-hide" ["esc"] "" "no examples" |cx| cx.examples_leave();
    }
    FIND {
        FIND_NEXT = "find-next" ["down", "ctrl-f"] "next" "next match; without a query: the last one again" |cx| cx.find_step(1);
        FIND_PREVIOUS = "find-previous" ["up"] "previous" "previous match" |cx| cx.find_step(-1);
        FIND_STAY = "find-stay" ["enter"] "stay" "end the search with the match selected" |cx| cx.app.input_accept();
        FIND_LEAVE = "find-leave" ["esc"] "back" "end the search and go back to where it began" |cx| cx.find_leave();
    }
    PROMPTS {
        PROMPT_LOAD = "prompt-load" ["enter"] "load" "load the prompt into the document (undo brings the old text back)" |cx| cx.pick();
        PROMPT_SAVE = "prompt-save" ["s"] "save" "save the document as a prompt with a name" |cx| cx.app.ask_prompt_name();
        PROMPT_RENAME = "prompt-rename" ["r"] "rename" "give the prompt another name" |cx| cx.app.ask_prompt_rename();
        PROMPT_DELETE = "prompt-delete" ["d", "delete"] "delete" "delete the prompt, after a question" |cx| cx.app.ask_prompt_delete();
    }
    SHOTS {
        SHOTS_TASK = "shots-task" ["t"] "task" [plain] "choose a task from the library" |cx| cx.app.open_tasks();
        SHOTS_TOGGLE = "shots-toggle" ["space"] "on/off" "switch the example on or off" |cx| cx.app.shots_toggle();
        SHOTS_UP = "shots-up" ["up", "k"] "" "previous row" |cx| cx.app.shots_select(-1);
        SHOTS_DOWN = "shots-down" ["down", "j"] "" "next row" |cx| cx.app.shots_select(1);
        SHOTS_MOVE_UP = "shots-move-up" ["shift-k", "shift-up"] "" "move the example up" |cx| cx.app.shots_move(-1);
        SHOTS_MOVE_DOWN = "shots-move-down" ["shift-j", "shift-down"] "J/K move" "move the example down" |cx| cx.app.shots_move(1);
        SHOTS_COUNT = "shots-count" ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] "0-9 shots" [unlisted] "use that many examples, the first ones" |cx| {
            let k = cx.digit();
            cx.app.shots_count(k);
        };
        SHOTS_FEWER = "shots-fewer" ["left"] "" [plain] "one example fewer" |cx| cx.app.shots_step(-1);
        SHOTS_MORE = "shots-more" ["right"] "" [plain] "one example more" |cx| cx.app.shots_step(1);
        SHOTS_SHUFFLE = "shots-shuffle" ["r"] "" "shuffle the examples" |cx| cx.app.shots_shuffle();
        SHOTS_INSTRUCTION = "shots-instruction" ["i"] "" "instruction on or off; a task without one gets one" |cx| cx.app.shots_instruction();
        SHOTS_QUERY = "shots-query" ["e"] "query" [plain] "edit the query" |cx| cx.app.shots_edit_query();
        SHOTS_NEXT_QUERY = "shots-next-query" ["n"] "" [plain] "next query of the task" |cx| cx.app.shots_next_query();
        SHOTS_ADD = "shots-add" ["a"] "add" "a new example, field by field" |cx| cx.app.shots_add();
        SHOTS_EDIT = "shots-edit" ["shift-e"] "" "edit the example" |cx| cx.app.shots_edit();
        SHOTS_TEMPLATE = "shots-template" ["shift-t"] "" "edit the template that asks each question" |cx| cx.app.shots_ask_wording(Wording::Template);
        SHOTS_WORDS = "shots-words" ["w"] "" "edit the instruction" |cx| cx.app.shots_ask_wording(Wording::Instruction);
        SHOTS_ANSWER = "shots-answer" ["x"] "" "edit the expected answer of the query" |cx| cx.app.shots_ask_answer();
        SHOTS_DUPLICATE = "shots-duplicate" ["y"] "" "the example a second time" |cx| cx.app.shots_duplicate();
        SHOTS_DELETE = "shots-delete" ["shift-d"] "" "delete the example" |cx| cx.app.shots_delete();
        SHOTS_RESTORE = "shots-restore" ["u"] "" "take back the last change of the examples" |cx| cx.app.shots_restore();
        SHOTS_IMPORT = "shots-import" ["shift-i"] "" "examples from a CSV, TSV or JSONL file" |cx| cx.app.shots_ask_import();
        SHOTS_PREVIEW = "shots-preview" ["p"] "preview" [plain] "show the assembled prompt" |cx| cx.app.toggle(Preview);
        SHOTS_PUT = "shots-put" ["enter"] "put in" [plain] "put the assembled prompt in the document (undo brings the old text back)" |cx| cx.app.shots_put();
    }
    NEXT {
        TOKEN_LEFT = "token-left" ["left", "h"] "" "the token before" |cx| cx.token_move(-1);
        TOKEN_RIGHT = "token-right" ["right", "l"] "← → token" "the token after; behind the last one is where the text goes on" |cx| cx.token_move(1);
        TOKEN_FIRST = "token-first" ["home", "g"] "" "the first token" |cx| cx.token_move(isize::MIN);
        TOKEN_LIVE = "token-live" ["end", "shift-g"] "" "where the text goes on" |cx| cx.token_move(isize::MAX);
        CANDIDATE_UP = "candidate-up" ["up", "k"] "" "a likelier token" |cx| cx.app.candidate_select(-1);
        CANDIDATE_DOWN = "candidate-down" ["down", "j"] "" "a less likely token" |cx| cx.app.candidate_select(1);
        CANDIDATE_PAGE_UP = "candidate-page-up" ["pageup"] "" "ten rows up" |cx| cx.app.candidate_select(-10);
        CANDIDATE_PAGE_DOWN = "candidate-page-down" ["pagedown"] "" "ten rows down" |cx| cx.app.candidate_select(10);
        TAKE = "take" ["enter"] "continue" "generate on from the selected token, taken here" |cx| cx.take(true);
        CHOOSE = "choose" ["space"] "take" "only take the selected token here: you are the sampler" |cx| cx.take(false);
        FIND_TOKEN = "find-token" ["/"] "find" "find any token of the vocabulary: its rank and probability" |cx| cx.app.ask_token();
        NEXT_UNCERTAIN = "next-uncertain" ["n"] "uncertain" "the next token below 10 %" |cx| cx.next_uncertain(true);
        PREVIOUS_UNCERTAIN = "previous-uncertain" ["shift-n"] "" "the token below 10 % before" |cx| cx.next_uncertain(false);
        NEXT_FORK = "next-fork" ["f"] "" "the next place where the likeliest token is below 70 %" |cx| cx.next_fork(true);
        PREVIOUS_FORK = "previous-fork" ["shift-f"] "" "the place before where the likeliest token is below 70 %" |cx| cx.next_fork(false);
        COLOUR = "colour" ["c"] "colour" "colour the text by probability, rank, surprisal, entropy" |cx| cx.app.token.next_colouring();
        PIN = "pin" ["p"] "pin" "pin this position and compare others with it" |cx| cx.app.toggle_pin();
        BAN = "ban" ["x"] "ban" "ban the selected token, or let it in again" |cx| cx.app.ban_selected();
        BIAS_UP = "bias-up" ["+"] "" "add 1 to the logit of the selected token" |cx| cx.app.bias_selected(1.0);
        BIAS_DOWN = "bias-down" ["-"] "" "take 1 off the logit of the selected token" |cx| cx.app.bias_selected(-1.0);
        START = "start" ["e"] "" "begin scores at the second token, or behind the start token" |cx| cx.app.toggle_start();
        SINGLE_STEP = "single-step" ["."] "" "draw one token" |cx| cx.app.step_once();
        POP = "pop" ["backspace"] "" "take the last token back" |cx| cx.pop_token();
    }
    SAMPLING {
        ROW_UP = "row-up" ["up", "k"] "" "previous row" |cx| cx.app.sampler.select(-1);
        ROW_DOWN = "row-down" ["down", "j"] "" "next row" |cx| cx.app.sampler.select(1);
        STEP_DOWN = "step-down" ["left"] "" "one step down" |cx| cx.app.sampler_step(Step::Down);
        STEP_UP = "step-up" ["right"] "← → adjust" "one step up" |cx| cx.app.sampler_step(Step::Up);
        BIG_STEP_DOWN = "big-step-down" ["shift-h", "shift-left"] "" "one big step down" |cx| cx.app.sampler_step(Step::BigDown);
        BIG_STEP_UP = "big-step-up" ["shift-l", "shift-right"] "" "one big step up" |cx| cx.app.sampler_step(Step::BigUp);
        VALUE = "value" ["enter"] "edit" "type the exact value" |cx| cx.app.sampler_edit("");
        VALUE_DIGIT = "value-digit" ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ".", "-"] "" [unlisted] "type the exact value, starting with this character" |cx| {
            let start = typed(cx.key).map(String::from).unwrap_or_default();
            cx.app.sampler_edit(&start);
        };
        OFF = "off" ["x"] "off/on" "off, or on again with the value it had" |cx| cx.app.sampler_toggle();
        NEUTRAL = "neutral" ["n"] "" "the neutral value: the stage does nothing" |cx| cx.app.sampler.make_neutral();
        DEFAULT = "default" ["d"] "" "the default value" |cx| cx.app.sampler_default();
        PRESETS = "presets" ["p"] "presets" [plain] "choose a preset" |cx| cx.app.open_presets();
        STAGE_EARLIER = "stage-earlier" ["{"] "" "move the stage of this row earlier in the chain" |cx| cx.app.sampler_move(-1);
        STAGE_LATER = "stage-later" ["}"] "{ } order" "move the stage of this row later in the chain" |cx| cx.app.sampler_move(1);
        NEW_SEED = "new-seed" ["shift-r"] "" [plain] "fix the seed to a new one" |cx| cx.app.sampler_new_seed();
    }
    TRAIN {
        TRAIN_START = "train-start" ["enter"] "start" "start the selected run, or go on where it was left" |cx| cx.app.train_start();
        TRAIN_PAUSE = "train-pause" ["space"] "pause" "pause the run, or go on" |cx| cx.app.train_pause();
        TRAIN_STOP = "train-stop" ["s"] "stop" "stop the run and save it" |cx| cx.app.train_stop();
        TRAIN_RESTART = "train-restart" ["r"] "restart" "begin the selected run afresh" |cx| cx.app.train_begin(Begin::Afresh);
        TRAIN_OPEN = "train-open" ["o"] "open" "save the trained model and open it in the playground" |cx| cx.app.train_open();
        TRAIN_BACK = "train-back" ["esc"] "back" "dismiss the message, else back to the playground; the run goes on" |cx| cx.app.train_back();
        TRAIN_UP = "train-up" ["up", "k"] "" "previous run" |cx| cx.app.train_select(-1);
        TRAIN_DOWN = "train-down" ["down", "j"] "" "next run" |cx| cx.app.train_select(1);
        TRAIN_LESS = "train-less" ["left", "h"] "" "smaller λ of the fine-tuning" |cx| cx.app.turn_lambda(-1);
        TRAIN_MORE = "train-more" ["right", "l"] "" "larger λ of the fine-tuning" |cx| cx.app.turn_lambda(1);
    }
    TREE {
        TREE_OPEN = "tree-open" ["enter"] "open" "put this version in the document (undo brings the old text back)" |cx| cx.pick();
        TREE_PARENT = "tree-parent" ["left", "h"] "" "what it goes on from" |cx| cx.app.tree_parent();
        TREE_CHILD = "tree-child" ["right", "l"] "←→↑↓ move" "what goes on from it" |cx| cx.app.tree_child();
        TREE_UP = "tree-up" ["up"] "" "previous sibling" |cx| cx.app.tree_sibling(-1);
        TREE_DOWN = "tree-down" ["down"] "" "next sibling" |cx| cx.app.tree_sibling(1);
        TREE_ROOT = "tree-root" ["r"] "" "the first row" |cx| cx.app.tree_root();
        TREE_COMPARE = "tree-compare" ["="] "compare" "mark this version; on another one: both side by side" |cx| cx.app.tree_compare();
        TREE_BOOKMARK = "tree-bookmark" ["b", "shift-b"] "bookmark" "bookmark, or take the bookmark off" |cx| cx.app.tree_bookmark();
        TREE_NEXT_BOOKMARK = "tree-next-bookmark" ["d"] "" "next bookmark" |cx| cx.app.tree_next_bookmark(1);
        TREE_PREVIOUS_BOOKMARK = "tree-previous-bookmark" ["a"] "" "previous bookmark" |cx| cx.app.tree_next_bookmark(-1);
        TREE_PRUNE = "tree-prune" ["shift-d"] "prune" "prune: out of sight, with all that goes on from it" |cx| cx.app.tree_ask_prune();
        TREE_UNDO = "tree-undo" ["u", "ctrl-_"] "" "bring back what was pruned last" |cx| cx.tree_undo();
    }
    MODELS {
        MODEL_LOAD = "model-load" ["enter"] "load" "load the model, or ask before downloading it" |cx| cx.pick();
        MODEL_CANCEL = "model-cancel" ["x"] "cancel" "cancel the download or the load; what was downloaded is kept" |cx| cx.app.models_cancel();
        MODEL_HUB = "model-hub" ["o"] "org/name" [plain] "name any repository of the hub: org/name[@revision]" |cx| cx.app.ask_hub_id();
        MODEL_FOLDER = "model-folder" ["f"] "folder" [plain] "load a local folder" |cx| cx.app.ask_folder();
        MODEL_DTYPE = "model-dtype" ["d"] "dtype" "how weights are kept from now on: auto, f32, bf16, f16, q8_0, q4_0" |cx| cx.app.models_dtype();
        MODEL_REFRESH = "model-refresh" ["r"] "" "look again what is cached" |cx| cx.app.list_models();
    }
    LIST {
        LIST_UP = "list-up" ["up", "k"] "" "previous row; of a text: one line up" |cx| cx.app.move_in_overlay(Move::Rows(-1));
        LIST_DOWN = "list-down" ["down", "j"] "" "next row; of a text: one line down" |cx| cx.app.move_in_overlay(Move::Rows(1));
        LIST_PAGE_UP = "list-page-up" ["pageup"] "" "one page up" |cx| cx.app.move_in_overlay(Move::Pages(-1));
        LIST_PAGE_DOWN = "list-page-down" ["pagedown"] "" "one page down" |cx| cx.app.move_in_overlay(Move::Pages(1));
        LIST_FIRST = "list-first" ["home", "g"] "" "first row" |cx| cx.app.move_in_overlay(Move::First);
        LIST_LAST = "list-last" ["end", "shift-g"] "" "last row" |cx| cx.app.move_in_overlay(Move::Last);
        LIST_FILTER = "list-filter" ["/"] "filter" "show only rows that hold what is typed" |cx| cx.app.filter_overlay();
        LIST_CLOSE = "list-close" ["q"] "" "close" |cx| cx.app.escape();
    }
    FILTER {
        FILTER_KEEP = "filter-keep" ["enter"] "keep" "go on with the rows that are shown" |cx| cx.app.end_filter(true);
        FILTER_END = "filter-end" ["esc"] "all rows" "show all rows again" |cx| cx.app.end_filter(false);
        FILTER_UP = "filter-up" ["up"] "" "previous row" |cx| cx.app.move_in_overlay(Move::Rows(-1));
        FILTER_DOWN = "filter-down" ["down"] "" "next row" |cx| cx.app.move_in_overlay(Move::Rows(1));
        FILTER_PAGE_UP = "filter-page-up" ["pageup"] "" "one page up" |cx| cx.app.move_in_overlay(Move::Pages(-1));
        FILTER_PAGE_DOWN = "filter-page-down" ["pagedown"] "" "one page down" |cx| cx.app.move_in_overlay(Move::Pages(1));
        FILTER_FIRST = "filter-first" ["home"] "" "first row" |cx| cx.app.move_in_overlay(Move::First);
        FILTER_LAST = "filter-last" ["end"] "" "last row" |cx| cx.app.move_in_overlay(Move::Last);
    }
    PICKER {
        PICK = "pick" ["enter", "space"] "choose" "choose this entry" |cx| cx.pick();
    }
    PRESETS {
        PRESET_USE = "preset-use" ["enter", "space"] "use" "use this preset" |cx| cx.pick();
        PRESET_SAVE = "preset-save" ["s"] "save" "save the settings as they are under a name of your own" |cx| cx.app.preset_ask_name();
        PRESET_DELETE = "preset-delete" ["d", "delete"] "delete" "delete this preset, one of your own; twice" |cx| cx.app.preset_delete();
    }
    EXPORT {
        EXPORT_FILE = "export-file" ["enter", "f"] "file" "to a file" |cx| cx.pick();
        EXPORT_COPY = "export-copy" ["y", "c"] "clipboard" "to the terminal's clipboard (OSC 52)" |cx| cx.app.export_to_clipboard();
    }
    SAMPLES {
        SAMPLE_TAKE = "sample-take" ["enter"] "take" "put this sample into the document (undo removes it), stopping the others" |cx| cx.pick();
        SAMPLE_BEST = "sample-best" ["b"] "best" "the sample with the largest mean log-probability" |cx| cx.app.batch_select_best();
        SAMPLE_LEAVE = "sample-leave" ["q"] "none" "leave without taking one" |cx| cx.app.escape();
    }
    CONFIRM {
        YES = "yes" ["y", "enter"] "yes" "yes" |cx| cx.pick_row(0);
        NO = "no" ["n"] "no" "no" |cx| cx.pick_row(1);
    }
    READER {
        READ_NEXT = "read-next" ["space"] "scroll" "one page down" |cx| cx.app.move_in_overlay(Move::Pages(1));
        READ_CLOSE = "read-close" ["enter"] "close" "close" |cx| cx.app.escape();
    }
    INPUT {
        INPUT_ACCEPT = "input-accept" ["enter"] "accept" "accept the line" |cx| cx.app.input_accept();
        INPUT_CANCEL = "input-cancel" ["esc"] "cancel" "leave without change" |cx| cx.app.input_cancel();
        INPUT_LEFT = "input-left" ["left"] "" "one character left" |cx| cx.app.input_edit(Input::left);
        INPUT_RIGHT = "input-right" ["right"] "" "one character right" |cx| cx.app.input_edit(Input::right);
        INPUT_HOME = "input-home" ["home", "ctrl-a"] "" "start of the line" |cx| cx.app.input_edit(Input::home);
        INPUT_END = "input-end" ["end", "ctrl-e"] "" "end of the line" |cx| cx.app.input_edit(Input::end);
        INPUT_BACKSPACE = "input-backspace" ["backspace", "ctrl-h"] "" "remove the character before the caret" |cx| cx.app.input_edit(Input::backspace);
        INPUT_DELETE = "input-delete" ["delete", "ctrl-d"] "" "remove the character after the caret" |cx| cx.app.input_edit(Input::delete);
        INPUT_CLEAR = "input-clear" ["ctrl-u"] "" "empty the line" |cx| cx.app.input_edit(Input::clear);
    }
    PALETTE {
        PALETTE_RUN = "palette-run" ["enter"] "run" "run the selected command" |cx| cx.pick();
        PALETTE_CLOSE = "palette-close" ["esc"] "close" "close" |cx| cx.app.toggle_palette();
        PALETTE_UP = "palette-up" ["up", "ctrl-k"] "" "previous command" |cx| cx.app.move_in_overlay(Move::Rows(-1));
        PALETTE_DOWN = "palette-down" ["down", "ctrl-j"] "" "next command" |cx| cx.app.move_in_overlay(Move::Rows(1));
        PALETTE_PAGE_UP = "palette-page-up" ["pageup"] "" "one page up" |cx| cx.app.move_in_overlay(Move::Pages(-1));
        PALETTE_PAGE_DOWN = "palette-page-down" ["pagedown"] "" "one page down" |cx| cx.app.move_in_overlay(Move::Pages(1));
        PALETTE_FIRST = "palette-first" ["home"] "" "first command" |cx| cx.app.move_in_overlay(Move::First);
        PALETTE_LAST = "palette-last" ["end"] "" "last command" |cx| cx.app.move_in_overlay(Move::Last);
    }
}
