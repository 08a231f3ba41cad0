/* SPDX-License-Identifier: MIT
 * A chat template, and behind a NUL a JSON object of its arguments, rendered for a conversation of three turns in fewer
 * steps than users have. */
#include "support.h"

#include "base/utf8.h"
#include "text/template.h"

enum { STEPS_MAX = 100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const cna_message messages[] = {
        {"system", "Be brief.", 9},
        {"user", "Name a tree,\n or\tcaf\xC3\xA9 <b>", 24},
        {"assistant", "<think>oak</think> Oak", 22},
    };
    static const cna_template_variable variables[] = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    fuzz_bytes json, text = fuzz_split(data, size, &json);
    cna_error err;
    cna_template *parsed;
    json_t *arguments = NULL;
    if (!cna_utf8_check(text.text, text.n, NULL)) return 0; /* what callers see to */
    fuzz_bound(size, 64 << 20, 256);
    if (!fuzz_ok(cna_template_parse(text.text, text.n, "template", &parsed, &err), &err)) return 0;
    if (json.n != 0 && fuzz_ok(cna_json_parse(json.text, json.n, "arguments", &arguments, &err), &err) &&
        !json_is_object(arguments)) {
        json_decref(arguments);
        arguments = NULL;
    }
    for (size_t n = 1; n <= 3; n++) {
        const cna_template_input input = {
            messages, n, variables, 2, arguments, {2026, 2, 3}, STEPS_MAX};
        cna_buffer out = {0};
        if (fuzz_ok(cna_template_render(parsed, &input, &out, &err), &err) && out.size != 0)
            fuzz_require(cna_utf8_check(out.data, out.size, NULL));
        cna_buffer_free(&out);
    }
    json_decref(arguments);
    cna_template_free(parsed);
    return 0;
}
