"""A chain whose blocks are numbered: a producer and a filter in C, consumers in Python."""

PRODUCER = """
#define NARVAL_PRODUCER
#include "narval_plugin.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
struct my_struct { unsigned int number; };
void process_config(char *d, unsigned int *e) { (void)d; *e = CONFIG; }
struct my_struct *process_register(unsigned int *e)
{ *e = REGISTER; return calloc(1, sizeof(struct my_struct)); }
void process_initialise(struct my_struct *s, unsigned int *e) { (void)s; *e = INITIALISE; }
void process_start(struct my_struct *s, unsigned int *e) { s->number = 0; *e = START; }
void process_stop(struct my_struct *s, unsigned int *e) { (void)s; *e = STOP; }
void process_block(struct my_struct *s, void *out, unsigned int size, unsigned int *used,
                   unsigned int *e)
{
    if (size < 8) { *e = 1; return; }
    if (s->number == CRASH_AT) *(volatile int *)0 = 1;
    if (s->number == FAIL_AT) { *e = 5; return; }
    if (s->number == END_AT) { *e = 66; return; }
    *used = sprintf(out, "*%06d", s->number++) + 1;
    if (s->number > 200) usleep(1000);
    *e = 0;
}
"""
FILTER = """
#define NARVAL_FILTER
#include "narval_plugin.h"
#include <string.h>
struct my_struct { int nothing; } it;
void process_config(char *d, unsigned int *e) { (void)d; *e = 0; }
struct my_struct *process_register(unsigned int *e) { *e = 0; return &it; }
void process_block(struct my_struct *s, void *in, unsigned int got, void *out, unsigned int size,
                   unsigned int *used, unsigned int *e)
{ (void)s; if (got != 8 || size < 8) { *e = 1; return; } memcpy(out, in, 8); *used = 8; *e = 0; }
"""
# Writes what comes into a file, a line a block.
CONSUMER = """
from pathlib import Path
from narval.plugins.plugin import Consumer, Parameter

class Keeper(Consumer):
    parameters = (Parameter("file", "", "where"), Parameter("fail_at", -1, "block that fails"))

    def start(self, run):
        self.count = 0
        self.out = open(f"{self.values['file']}.{run.number}", "w")

    def consume(self, data):
        if self.count == self.values["fail_at"]:
            raise ValueError("this block is ugly")
        self.count += 1
        self.out.write(bytes(data).rstrip(b"\\0").decode() + "\\n")

    def stop(self):
        self.out.close()

    def monitor(self):
        return {"count": getattr(self, "count", 0)}

    def ask(self, what, with_):
        return {"what": what, **with_, "count": self.count}
"""
RETURNED = {"CONFIG": 0, "REGISTER": 0, "INITIALISE": 0, "START": 0, "STOP": 0}
NEVER = {"CRASH_AT": -1, "FAIL_AT": -1, "END_AT": -1}

CHAIN = """<configuration>
<producer><name>writer</name><hostname>localhost</hostname>
  <binary_code>generic_producer</binary_code>
  <output_buffer_name>data</output_buffer_name>
  <size output_buffer="data">1_000</size><port output_buffer="data">{port}</port>
  <argument>library={produce}</argument></producer>
<intermediary><name>copier</name><hostname>localhost</hostname>
  <binary_code>generic_filter</binary_code>
  <data_source source_port="{port}" source_buffer="data">writer</data_source>
  <output_buffer_name>copy</output_buffer_name>
  <size output_buffer="copy">1_000</size><port output_buffer="copy">{port}</port>
  <argument>library={copy}</argument></intermediary>
{consumers}
</configuration>
"""
READER = """<consumer><name>{name}</name><hostname>localhost</hostname>
  <binary_code>generic_consumer</binary_code>
  <data_source source_port="{port}" source_buffer="copy">copier</data_source>
  <argument>library={library}</argument><argument>file={file}</argument>
  <argument>fail_at={fail_at}</argument></consumer>
"""
