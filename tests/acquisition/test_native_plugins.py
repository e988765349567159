"""The C interface with real libraries: the wiki's chain, optional symbols, errors at each stage."""

from __future__ import annotations

import pytest

from narval.plugins.native import (
    Call,
    EndOfDataError,
    Library,
    PluginCodeError,
    PluginError,
    PluginRole,
)

COUNTER = r"""
#define NARVAL_PRODUCER
#include "narval_plugin.h"
#include <stdio.h>
#include <stdlib.h>
struct my_struct { unsigned int count; };
void process_config(char *directory_path, unsigned int *error_code) {
    *error_code = directory_path[0] == '!' ? 7 : 0;
}
struct my_struct *process_register(unsigned int *error_code) {
    *error_code = 0;
    return calloc(1, sizeof(struct my_struct));
}
void process_initialise(struct my_struct *algo_data, unsigned int *error_code) {
    algo_data->count = 40;
    *error_code = 0;
}
void process_block(struct my_struct *algo_data, void *output_buffer, unsigned int size,
                   unsigned int *used, unsigned int *error_code) {
    *used = 0;
    *error_code = size < 8 ? 1 : algo_data->count >= 44 ? 66 : 0;
    if (*error_code) return;
    char text[16];
    *used = (unsigned int)snprintf(text, sizeof text, "*%05u*", algo_data->count++) + 1;
    for (unsigned int i = 0; i < *used; i++) ((char *)output_buffer)[i] = text[i];
}
void process_unload(struct my_struct *algo_data, unsigned int *error_code) {
    free(algo_data);
    *error_code = 0;
}
"""

COPY = r"""
#define NARVAL_FILTER
#include "narval_plugin.h"
#include <string.h>
void process_config(char *directory_path, unsigned int *error_code) { *error_code = 0; }
struct my_struct *process_register(unsigned int *error_code) { *error_code = 0; return 0; }
void process_block(struct my_struct *algo_data, void *input, unsigned int size, void *output,
                   unsigned int room, unsigned int *used, unsigned int *error_code) {
    *error_code = size != 8 || room < 8;
    if (*error_code) return;
    memcpy(output, input, 8);
    *used = 8;
}
"""

COMPARE = r"""
#define NARVAL_CONSUMER
#include "narval_plugin.h"
#include <string.h>
void process_config(char *directory_path, unsigned int *error_code) { *error_code = 0; }
struct my_struct *process_register(unsigned int *error_code) { *error_code = 0; return 0; }
void process_block(struct my_struct *algo_data, void *input, unsigned int size,
                   unsigned int *error_code) {
    *error_code = size != 8 ? 1 : memcmp(input, "*00040*", 8) ? 2 : 0;
}
"""


def load(path, role=PluginRole.PRODUCER, directory=""):
    library = Library(path, role)
    library.configure(directory)
    return library


def test_the_chain_of_the_school(compiled):
    producer = load(compiled(COUNTER, "counter")).register()
    assert producer.call(Call.INITIALISE)
    copy = load(compiled(COPY, "copy"), PluginRole.FILTER).register()
    compare = load(compiled(COMPARE, "compare"), PluginRole.CONSUMER).register()
    made, copied = bytearray(64), bytearray(8)
    assert producer.produce(made) == 8
    assert made[:8] == b"*00040*\0"
    assert copy.filter(memoryview(made)[:8], copied) == 8
    compare.consume(copied)
    producer.produce(made)
    with pytest.raises(PluginCodeError, match="process_block reported error 2"):
        compare.consume(memoryview(made)[:8])
    with pytest.raises(PluginCodeError, match="error 1"):
        copy.filter(memoryview(made)[:7], copied)


def test_optional_functions_are_called_if_they_are_there(compiled):
    producer = load(compiled(COUNTER)).register()
    assert not producer.call(Call.START)
    assert producer.call(Call.UNLOAD)


def test_two_actors_of_one_library_do_not_share(compiled):
    library = load(compiled(COUNTER))
    first, second = library.register(), library.register()
    buffer = bytearray(8)
    first.produce(buffer)
    first.produce(buffer)
    assert buffer == b"*00001*\0"
    second.produce(buffer)
    assert buffer == b"*00000*\0"


def test_the_end_of_data_is_no_error_like_others(compiled):
    producer = load(compiled(COUNTER)).register()
    producer.call(Call.INITIALISE)
    buffer = bytearray(8)
    for _ in range(4):
        producer.produce(buffer)
    with pytest.raises(EndOfDataError):
        producer.produce(buffer)
    with pytest.raises(PluginCodeError, match="error 1"):
        load(compiled(COUNTER, "again")).register().produce(bytearray(7))


def test_libraries_that_cannot_be_used(compiled, tmp_path):
    with pytest.raises(PluginError, match="cannot be loaded"):
        Library(tmp_path / "missing.so", PluginRole.PRODUCER)
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(PluginError, match="cannot be loaded"):
        Library(tmp_path / "text.so", PluginRole.PRODUCER)
    half = compiled("void process_config(char *p, unsigned int *e) { *e = 0; }\n", "half")
    with pytest.raises(PluginError, match="lacks process_register, process_block"):
        Library(half, PluginRole.PRODUCER)
    with pytest.raises(PluginCodeError, match="process_config reported error 7"):
        load(compiled(COUNTER), directory="!")


def test_a_plugin_that_claims_more_than_there_is(compiled):
    liar = COUNTER.replace("*used = (unsigned int)snprintf", "*used = 9 * snprintf").replace(
        "for (unsigned int i = 0; i < *used; i++)", "for (unsigned int i = 0; i < 8; i++)"
    )
    with pytest.raises(PluginError, match="used 64 bytes of a buffer of 8"):
        load(compiled(liar)).register().produce(bytearray(8))
