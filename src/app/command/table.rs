//! The rows.

use super::{CommandSpec, Scope};
use crate::app::input::Input;
use crate::app::keymap::typed;
use crate::app::page::Motion;
use crate::app::run::Seeding;
use crate::app::screen::{Layer, PaneId};
use crate::sampling::Step;
use crate::train::Begin;

macro_rules! commands {
    ($($scope:ident { $($name:literal $keys:tt $hint:literal $doc:literal $run:expr;)* })*) => {
        /// Every command, in the order of the help screen.
        pub static COMMANDS: &[CommandSpec] = &[$($(
            CommandSpec { name: $name, doc: $doc, hint: $hint, keys: &$keys, scope: Scope::$scope, run: $run },
        )*)*];
    };
}

commands! {
    Global {
        "generate" ["ctrl-g", "f5"] "generate" "generate: go on from the end of the document" |cx| cx.generate();
        "stop" ["esc"] "stop" "stop; else end the selection; else dismiss the message; else close the overlay; else between the text and its tokens" |cx| cx.escape();
        "help" ["f1", "?"] "help" "all keys" |cx| cx.app.toggle_layer(Layer::Help);
        "palette" ["ctrl-p", ":"] "commands" "all commands that count here, found by typing" |cx| cx.app.toggle_palette();
        "next-pane" ["tab"] "pane" "next pane" |cx| cx.app.step_focus(1);
        "previous-pane" ["shift-tab"] "" "previous pane" |cx| cx.app.step_focus(-1);
        "tokens" ["ctrl-t"] "tokens" "token mode: look at any token, take another; again: back to the text" |cx| cx.toggle_tokens();
        "step" ["f6"] "" "draw one token" |cx| cx.app.step_once();
        "statistics" ["f7"] "" "perplexity, bits per byte, ranks and surprisal of the text" |cx| cx.app.open_statistics();
        "models" ["f2"] "models" "models: load, download, folder" |cx| cx.app.open_models();
        "shots" ["f4"] "few-shot" "the few-shot pane" |cx| cx.app.focus_pane(PaneId::Shots);
        "sampling" ["f3"] "sampling" "the sampling pane" |cx| cx.app.focus_pane(PaneId::Sampling);
        "sweep" ["alt-g"] "" "the continuation at six temperatures from 0 to 2, side by side, of which one can be taken" |cx| cx.sweep();
        "regenerate" ["ctrl-r"] "regenerate" "another version of the last generation, with a new seed" |cx| cx.app.regenerate(Seeding::New);
        "regenerate-same" ["alt-r"] "" "another version of the last generation, with the same seed" |cx| cx.app.regenerate(Seeding::Same);
        "next-version" ["alt-.", "]"] "" "the next version from the branching point before the caret" |cx| cx.turn_version(1);
        "previous-version" ["alt-,", "["] "" "the previous version from there" |cx| cx.turn_version(-1);
        "tree" ["alt-v", "f10"] "" "all versions of the text, as a tree" |cx| cx.app.toggle_tree();
        "new-session" ["ctrl-n"] "" "an empty page in a new session; the old one stays on disk" |cx| cx.new_session();
        "train" ["f8"] "train" "the train view: a small training run, live; again: back" |cx| cx.app.toggle_train();
        "interrupt" ["ctrl-c"] "" "stop; when idle, twice to quit" |cx| cx.app.interrupt();
        "undo" ["ctrl-_"] "" "undo an edit or a generation" |cx| cx.undo();
        "redo" ["alt-_"] "" "redo" |cx| cx.redo();
        "messages" ["f9"] "" "all messages of this run" |cx| cx.app.toggle_layer(Layer::Log);
        "editor" ["ctrl-o"] "" "edit the document in $VISUAL or $EDITOR" |cx| cx.app.open_editor();
        "copy" ["ctrl-y"] "" "copy what is selected, or else the document, also to the terminal's clipboard (OSC 52)" |cx| cx.copy();
        "copy-seed" ["alt-y"] "" "copy the seed that the last generation really used" |cx| cx.app.copy_seed();
        "save" ["ctrl-s"] "" "save the document as a text file" |cx| cx.app.ask_save();
        "export" ["alt-e"] "" "export: the document, or the last generation as a trace or a command, to a file or the clipboard" |cx| cx.app.open_export();
        "save-prompt" ["alt-s"] "" "save the document as a prompt with a name" |cx| cx.app.ask_prompt_name();
        "prompts" ["alt-o"] "" "saved prompts: load, rename, delete" |cx| cx.app.open_prompts();
        "show-tokens" ["alt-i"] "" "show tokens in the document, and the one under the caret: id, bytes, place" |cx| cx.app.toggle_tokens();
        "show-spaces" ["alt-w"] "" "show white space in the document" |cx| cx.app.toggle_spaces();
        "screenshot" ["f12"] "" "save the screen as an SVG file" |cx| cx.app.screenshot();
        "redraw" ["ctrl-l"] "" "draw the whole screen again" |cx| cx.app.redraw();
        "mouse" ["alt-m"] "" "the mouse on or off: click focuses, the wheel scrolls, a drag sets a slider; Shift+drag stays the terminal's own" |cx| cx.app.toggle_mouse();
        "suspend" ["ctrl-z"] "" "suspend to the shell" |cx| cx.app.suspend();
        "quit" ["ctrl-q"] "" "quit; twice where text is not saved" |cx| cx.app.quit();
    }
    Document {
        "left" ["left"] "" "one character left" |cx| cx.move_caret(Motion::Left);
        "right" ["right"] "" "one character right" |cx| cx.move_caret(Motion::Right);
        "word-left" ["ctrl-left", "alt-left", "alt-b"] "" "one word left" |cx| cx.move_caret(Motion::WordLeft);
        "word-right" ["ctrl-right", "alt-right", "alt-f"] "" "one word right" |cx| cx.move_caret(Motion::WordRight);
        "up" ["up"] "" "one line up" |cx| cx.move_caret(Motion::Up);
        "down" ["down"] "" "one line down" |cx| cx.move_caret(Motion::Down);
        "page-up" ["pageup"] "" "one page up" |cx| cx.move_caret(Motion::PageUp);
        "page-down" ["pagedown"] "" "one page down" |cx| cx.move_caret(Motion::PageDown);
        "line-start" ["home", "ctrl-a"] "" "start of the line" |cx| cx.move_caret(Motion::LineStart);
        "line-end" ["end", "ctrl-e"] "" "end of the line" |cx| cx.move_caret(Motion::LineEnd);
        "text-start" ["ctrl-home", "alt-<"] "" "start of the text" |cx| cx.move_caret(Motion::Start);
        "text-end" ["ctrl-end", "alt->"] "" "end of the text, and follow what is generated" |cx| cx.move_caret(Motion::End);
        "newline" ["enter"] "" "new line" |cx| cx.type_text("\n");
        "backspace" ["backspace", "ctrl-h"] "" "remove the character before the caret" |cx| cx.erase(Motion::Left);
        "delete" ["delete", "ctrl-d"] "" "remove the character after the caret" |cx| cx.erase(Motion::Right);
        "delete-word" ["ctrl-w", "alt-backspace"] "" "remove the word before the caret" |cx| cx.erase(Motion::WordLeft);
        "delete-line" ["ctrl-u"] "" "remove to the start of the line" |cx| cx.erase(Motion::LineStart);
        "clear" ["alt-c"] "" "empty the document (undo brings it back)" |cx| cx.clear_document();
        "trim" ["alt-t"] "" "remove white space at the end of the document" |cx| cx.trim_end();
        "find" ["ctrl-f"] "" "search in the document" |cx| cx.find();
        "select-left" ["shift-left"] "" "select to the left" |cx| cx.select(Motion::Left);
        "select-right" ["shift-right"] "" "select to the right" |cx| cx.select(Motion::Right);
        "select-word-left" ["ctrl-shift-left", "alt-shift-left"] "" "select one word to the left" |cx| cx.select(Motion::WordLeft);
        "select-word-right" ["ctrl-shift-right", "alt-shift-right"] "" "select one word to the right" |cx| cx.select(Motion::WordRight);
        "select-up" ["shift-up"] "" "select one line up" |cx| cx.select(Motion::Up);
        "select-down" ["shift-down"] "" "select one line down" |cx| cx.select(Motion::Down);
        "select-page-up" ["shift-pageup"] "" "select one page up" |cx| cx.select(Motion::PageUp);
        "select-page-down" ["shift-pagedown"] "" "select one page down" |cx| cx.select(Motion::PageDown);
        "select-line-start" ["shift-home"] "" "select to the start of the line" |cx| cx.select(Motion::LineStart);
        "select-line-end" ["shift-end"] "" "select to the end of the line" |cx| cx.select(Motion::LineEnd);
        "select-text-start" ["ctrl-shift-home"] "" "select to the start of the text" |cx| cx.select(Motion::Start);
        "select-text-end" ["ctrl-shift-end"] "" "select to the end of the text" |cx| cx.select(Motion::End);
        "select-all" ["alt-a"] "" "select the whole document" |cx| cx.select_all();
        "mark" ["ctrl-space"] "" "set a mark: every motion selects from it, without Shift; again: no mark" |cx| cx.mark();
        "cut" ["ctrl-x"] "" "cut what is selected" |cx| cx.cut();
        "paste" ["ctrl-v"] "" "put in what was copied or cut last" |cx| cx.put_back();
    }
    Examples {
        "example-digit" ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] "" "put this example in" |cx| cx.examples_digit();
        "example-run" ["alt-1", "alt-2", "alt-3", "alt-4", "alt-5", "alt-6", "alt-7", "alt-8", "alt-9"] "" "put this example in and generate" |cx| cx.examples_run();
        "example-up" ["up"] "" "previous example" |cx| cx.app.examples_select(-1);
        "example-down" ["down"] "" "next example" |cx| cx.app.examples_select(1);
        "example-take" ["enter"] "" "put the selected example in" |cx| cx.examples_take();
        "example-hide" ["esc"] "" "no examples: digits are text" |cx| cx.examples_leave();
    }
    Find {
        "find-next" ["down", "ctrl-f"] "next" "next match; without a query: the last one again" |cx| cx.find_step(1);
        "find-previous" ["up"] "previous" "previous match" |cx| cx.find_step(-1);
        "find-stay" ["enter"] "stay" "end the search with the match selected" |cx| cx.app.input_accept();
        "find-leave" ["esc"] "back" "end the search and go back to where it began" |cx| cx.find_leave();
    }
    Prompts {
        "prompt-up" ["up", "k"] "" "previous prompt" |cx| cx.app.prompts_select(-1);
        "prompt-down" ["down", "j"] "" "next prompt" |cx| cx.app.prompts_select(1);
        "prompt-load" ["enter"] "load" "load the prompt into the document (undo brings the old text back)" |cx| cx.app.load_prompt();
        "prompt-save" ["s"] "save" "save the document as a prompt with a name" |cx| cx.app.ask_prompt_name();
        "prompt-rename" ["r"] "rename" "give the prompt another name" |cx| cx.app.ask_prompt_rename();
        "prompt-delete" ["d", "delete"] "delete" "delete the prompt, after a question" |cx| cx.app.ask_prompt_delete();
    }
    Shots {
        "shots-task" ["t"] "task" "choose a task from the library" |cx| cx.app.open_tasks();
        "shots-toggle" ["space"] "on/off" "switch the example on or off" |cx| cx.app.shots_toggle();
        "shots-up" ["up", "k"] "" "previous row" |cx| cx.app.shots_select(-1);
        "shots-down" ["down", "j"] "" "next row" |cx| cx.app.shots_select(1);
        "shots-move-up" ["shift-k", "shift-up"] "" "move the example up" |cx| cx.app.shots_move(-1);
        "shots-move-down" ["shift-j", "shift-down"] "J/K move" "move the example down" |cx| cx.app.shots_move(1);
        "shots-count" ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] "0-9 shots" "use that many examples, the first ones" |cx| {
            let k = cx.digit();
            cx.app.shots_count(k);
        };
        "shots-fewer" ["left"] "" "one example fewer" |cx| cx.app.shots_step(-1);
        "shots-more" ["right"] "" "one example more" |cx| cx.app.shots_step(1);
        "shots-shuffle" ["r"] "" "shuffle the examples" |cx| cx.app.shots_shuffle();
        "shots-instruction" ["i"] "" "instruction on or off" |cx| cx.app.shots_instruction();
        "shots-query" ["e"] "query" "edit the query" |cx| cx.app.shots_edit_query();
        "shots-next-query" ["n"] "" "next query of the task" |cx| cx.app.shots_next_query();
        "shots-add" ["a"] "add" "a new example, field by field" |cx| cx.app.shots_add();
        "shots-edit" ["shift-e"] "" "edit the example" |cx| cx.app.shots_edit();
        "shots-duplicate" ["y"] "" "the example a second time" |cx| cx.app.shots_duplicate();
        "shots-delete" ["shift-d"] "" "delete the example" |cx| cx.app.shots_delete();
        "shots-restore" ["u"] "" "take back the last change of the examples" |cx| cx.app.shots_restore();
        "shots-import" ["shift-i"] "" "examples from a CSV, TSV or JSONL file" |cx| cx.app.shots_ask_import();
        "shots-preview" ["p"] "preview" "show the assembled prompt" |cx| cx.app.toggle_layer(Layer::Preview);
        "shots-put" ["enter"] "put in" "put the assembled prompt in the document (undo brings the old text back)" |cx| cx.app.shots_put();
    }
    Next {
        "token-left" ["left", "h"] "" "the token before" |cx| cx.token_move(-1);
        "token-right" ["right", "l"] "← → token" "the token after; behind the last one is where the text goes on" |cx| cx.token_move(1);
        "token-first" ["home", "g"] "" "the first token" |cx| cx.token_move(isize::MIN);
        "token-live" ["end", "shift-g"] "" "where the text goes on" |cx| cx.token_move(isize::MAX);
        "candidate-up" ["up", "k"] "" "a likelier token" |cx| cx.app.candidate_select(-1);
        "candidate-down" ["down", "j"] "" "a less likely token" |cx| cx.app.candidate_select(1);
        "candidate-page-up" ["pageup"] "" "ten rows up" |cx| cx.app.candidate_select(-10);
        "candidate-page-down" ["pagedown"] "" "ten rows down" |cx| cx.app.candidate_select(10);
        "take" ["enter"] "continue" "generate on from the selected token, taken here" |cx| cx.take(true);
        "choose" ["space"] "take" "only take the selected token here: you are the sampler" |cx| cx.take(false);
        "find-token" ["/"] "find" "find any token of the vocabulary: its rank and probability" |cx| cx.app.ask_token();
        "next-uncertain" ["n"] "uncertain" "the next token below 10 %" |cx| cx.next_uncertain(true);
        "previous-uncertain" ["shift-n"] "" "the token below 10 % before" |cx| cx.next_uncertain(false);
        "next-fork" ["f"] "" "the next place where the likeliest token is below 70 %" |cx| cx.next_fork(true);
        "previous-fork" ["shift-f"] "" "the place before where the likeliest token is below 70 %" |cx| cx.next_fork(false);
        "colour" ["c"] "colour" "colour the text by probability, rank, surprisal, entropy" |cx| cx.app.next_colouring();
        "pin" ["p"] "pin" "pin this position and compare others with it" |cx| cx.app.toggle_pin();
        "ban" ["x"] "ban" "ban the selected token, or let it in again" |cx| cx.app.ban_selected();
        "bias-up" ["+"] "" "add 1 to the logit of the selected token" |cx| cx.app.bias_selected(1.0);
        "bias-down" ["-"] "" "take 1 off the logit of the selected token" |cx| cx.app.bias_selected(-1.0);
        "start" ["e"] "" "begin scores at the second token, or behind the start token" |cx| cx.app.toggle_start();
        "single-step" ["."] "" "draw one token" |cx| cx.app.step_once();
        "pop" ["backspace"] "" "take the last token back" |cx| cx.pop_token();
    }
    Sampling {
        "row-up" ["up", "k"] "" "previous row" |cx| cx.app.sampler_select(-1);
        "row-down" ["down", "j"] "" "next row" |cx| cx.app.sampler_select(1);
        "step-down" ["left"] "" "one step down" |cx| cx.app.sampler_step(Step::Down);
        "step-up" ["right"] "← → adjust" "one step up" |cx| cx.app.sampler_step(Step::Up);
        "big-step-down" ["shift-h", "shift-left"] "" "one big step down" |cx| cx.app.sampler_step(Step::BigDown);
        "big-step-up" ["shift-l", "shift-right"] "" "one big step up" |cx| cx.app.sampler_step(Step::BigUp);
        "value" ["enter"] "edit" "type the exact value" |cx| cx.app.sampler_edit("");
        "value-digit" ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ".", "-"] "" "type the exact value, starting with this character" |cx| {
            let start = typed(cx.key).map(String::from).unwrap_or_default();
            cx.app.sampler_edit(&start);
        };
        "off" ["x"] "off/on" "off, or on again with the value it had" |cx| cx.app.sampler_toggle();
        "neutral" ["n"] "" "the neutral value: the stage does nothing" |cx| cx.app.sampler_neutral();
        "default" ["d"] "" "the default value" |cx| cx.app.sampler_default();
        "presets" ["p"] "presets" "choose a preset" |cx| cx.app.open_presets();
        "stage-earlier" ["{"] "" "move the stage of this row earlier in the chain" |cx| cx.app.sampler_move(-1);
        "stage-later" ["}"] "{ } order" "move the stage of this row later in the chain" |cx| cx.app.sampler_move(1);
        "new-seed" ["shift-r"] "" "fix the seed to a new one" |cx| cx.app.sampler_new_seed();
    }
    Train {
        "train-start" ["enter"] "start" "start the selected run, or go on where it was left" |cx| cx.app.train_start();
        "train-pause" ["space"] "pause" "pause the run, or go on" |cx| cx.app.train_pause();
        "train-stop" ["s"] "stop" "stop the run and save it" |cx| cx.app.train_stop();
        "train-restart" ["r"] "restart" "begin the selected run afresh" |cx| cx.app.train_begin(Begin::Afresh);
        "train-open" ["o"] "open" "save the trained model and open it in the playground" |cx| cx.app.train_open();
        "train-back" ["esc"] "back" "dismiss the message, else back to the playground; the run goes on" |cx| cx.app.train_back();
        "train-up" ["up", "k"] "" "previous run" |cx| cx.app.train_select(-1);
        "train-down" ["down", "j"] "" "next run" |cx| cx.app.train_select(1);
        "train-less" ["left", "h"] "" "smaller λ of the fine-tuning" |cx| cx.app.turn_lambda(-1);
        "train-more" ["right", "l"] "" "larger λ of the fine-tuning" |cx| cx.app.turn_lambda(1);
    }
    Tree {
        "tree-open" ["enter"] "open" "put this version in the document (undo brings the old text back)" |cx| cx.tree_open();
        "tree-parent" ["left", "h"] "" "what it goes on from" |cx| cx.app.tree_parent();
        "tree-child" ["right", "l"] "←→↑↓ move" "what goes on from it" |cx| cx.app.tree_child();
        "tree-up" ["up"] "" "previous sibling" |cx| cx.app.tree_sibling(-1);
        "tree-down" ["down"] "" "next sibling" |cx| cx.app.tree_sibling(1);
        "tree-row-up" ["k"] "" "previous row" |cx| cx.app.tree_row(-1);
        "tree-row-down" ["j"] "j/k rows" "next row" |cx| cx.app.tree_row(1);
        "tree-page-up" ["pageup"] "" "ten rows up" |cx| cx.app.tree_row(-10);
        "tree-page-down" ["pagedown"] "" "ten rows down" |cx| cx.app.tree_row(10);
        "tree-root" ["r", "home"] "" "the first row" |cx| cx.app.tree_root();
        "tree-compare" ["="] "compare" "mark this version; on another one: both side by side" |cx| cx.app.tree_compare();
        "tree-bookmark" ["b", "shift-b"] "bookmark" "bookmark, or take the bookmark off" |cx| cx.app.tree_bookmark();
        "tree-next-bookmark" ["d"] "" "next bookmark" |cx| cx.app.tree_next_bookmark(1);
        "tree-previous-bookmark" ["a"] "" "previous bookmark" |cx| cx.app.tree_next_bookmark(-1);
        "tree-prune" ["shift-d"] "prune" "prune: out of sight, with all that goes on from it" |cx| cx.app.tree_ask_prune();
        "tree-undo" ["u", "ctrl-_"] "" "bring back what was pruned last" |cx| cx.tree_undo();
        "tree-close" ["q"] "" "close" |cx| cx.app.close_layer();
    }
    Models {
        "model-up" ["up", "k"] "" "previous model" |cx| cx.app.models_select(-1);
        "model-down" ["down", "j"] "" "next model" |cx| cx.app.models_select(1);
        "model-load" ["enter"] "load" "load the model, or ask before downloading it" |cx| cx.app.models_open();
        "model-cancel" ["x"] "cancel" "cancel the download or the load; what was downloaded is kept" |cx| cx.app.models_cancel();
        "model-hub" ["o"] "org/name" "name any repository of the hub: org/name[@revision]" |cx| cx.app.ask_hub_id();
        "model-folder" ["f"] "folder" "load a local folder" |cx| cx.app.ask_folder();
        "model-dtype" ["d"] "dtype" "how weights are kept from now on: auto, f32, bf16, f16, q8_0, q4_0" |cx| cx.app.models_dtype();
        "model-refresh" ["r"] "" "look again what is cached" |cx| cx.app.list_models();
    }
    Picker {
        "pick-up" ["up", "k"] "" "previous entry" |cx| cx.app.pick_select(-1);
        "pick-down" ["down", "j"] "" "next entry" |cx| cx.app.pick_select(1);
        "pick" ["enter", "space"] "choose" "choose this entry" |cx| cx.app.pick();
    }
    Presets {
        "preset-up" ["up", "k"] "" "previous preset" |cx| cx.app.pick_select(-1);
        "preset-down" ["down", "j"] "" "next preset" |cx| cx.app.pick_select(1);
        "preset-use" ["enter", "space"] "use" "use this preset" |cx| cx.app.pick();
        "preset-save" ["s"] "save" "save the settings as they are under a name of your own" |cx| cx.app.preset_ask_name();
        "preset-delete" ["d", "delete"] "delete" "delete this preset, one of your own; twice" |cx| cx.app.preset_delete();
    }
    Export {
        "export-up" ["up", "k"] "" "previous format" |cx| cx.app.pick_select(-1);
        "export-down" ["down", "j"] "" "next format" |cx| cx.app.pick_select(1);
        "export-file" ["enter", "f"] "file" "to a file" |cx| cx.app.export_to_file();
        "export-copy" ["y", "c"] "clipboard" "to the terminal's clipboard (OSC 52)" |cx| cx.app.export_to_clipboard();
    }
    Samples {
        "sample-up" ["up", "k"] "" "previous sample" |cx| cx.app.batch_select(-1);
        "sample-down" ["down", "j"] "" "next sample" |cx| cx.app.batch_select(1);
        "sample-take" ["enter"] "take" "put this sample into the document (undo removes it), stopping the others" |cx| cx.app.batch_take();
        "sample-best" ["b"] "best" "the sample with the largest mean log-probability" |cx| cx.app.batch_select_best();
        "sample-leave" ["q"] "none" "leave without taking one" |cx| cx.app.close_layer();
    }
    Confirm {
        "yes" ["y", "enter"] "yes" "yes" |cx| cx.yes();
        "no" ["n"] "no" "no" |cx| cx.app.close_layer();
    }
    Reader {
        "read-up" ["up", "k"] "" "scroll up" |cx| cx.app.read_scroll(-1);
        "read-down" ["down", "j", "space"] "scroll" "scroll down" |cx| cx.app.read_scroll(1);
        "read-page-up" ["pageup"] "" "one page up" |cx| cx.app.read_scroll(-10);
        "read-page-down" ["pagedown"] "" "one page down" |cx| cx.app.read_scroll(10);
        "read-close" ["q", "enter"] "close" "close" |cx| cx.app.close_layer();
    }
    Input {
        "input-accept" ["enter"] "accept" "accept the line" |cx| cx.app.input_accept();
        "input-cancel" ["esc"] "cancel" "leave without change" |cx| cx.app.input_cancel();
        "input-left" ["left"] "" "one character left" |cx| cx.app.input_edit(Input::left);
        "input-right" ["right"] "" "one character right" |cx| cx.app.input_edit(Input::right);
        "input-home" ["home", "ctrl-a"] "" "start of the line" |cx| cx.app.input_edit(Input::home);
        "input-end" ["end", "ctrl-e"] "" "end of the line" |cx| cx.app.input_edit(Input::end);
        "input-backspace" ["backspace", "ctrl-h"] "" "remove the character before the caret" |cx| cx.app.input_edit(Input::backspace);
        "input-delete" ["delete", "ctrl-d"] "" "remove the character after the caret" |cx| cx.app.input_edit(Input::delete);
        "input-clear" ["ctrl-u"] "" "empty the line" |cx| cx.app.input_edit(Input::clear);
    }
    Palette {
        "palette-run" ["enter"] "run" "run the selected command" |cx| cx.run_picked();
        "palette-close" ["esc"] "close" "close" |cx| cx.app.toggle_palette();
        "palette-up" ["up", "ctrl-k"] "" "previous command" |cx| cx.app.palette_select(-1);
        "palette-down" ["down", "ctrl-j"] "" "next command" |cx| cx.app.palette_select(1);
        "palette-page-up" ["pageup"] "" "ten commands up" |cx| cx.app.palette_select(-10);
        "palette-page-down" ["pagedown"] "" "ten commands down" |cx| cx.app.palette_select(10);
    }
}
