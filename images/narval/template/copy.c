/* A filter: hands on blocks of 8 bytes as they are. */
#define NARVAL_FILTER
#include "narval_plugin.h"

#include <string.h>

enum { BLOCK_BYTES = 8 };

void process_config(char *directory_path, unsigned int *error_code) {
    (void)directory_path;
    *error_code = NARVAL_OK;
}

struct my_struct *process_register(unsigned int *error_code) {
    *error_code = NARVAL_OK;
    return NULL; /* nothing to keep */
}

void process_block(struct my_struct *mine, void *input_buffer, unsigned int size_of_input_buffer,
                   void *output_buffer, unsigned int size_of_output_buffer,
                   unsigned int *used_size_of_output_buffer, unsigned int *error_code) {
    (void)mine;
    *used_size_of_output_buffer = 0;
    if (size_of_input_buffer != BLOCK_BYTES || size_of_output_buffer < BLOCK_BYTES) {
        *error_code = NARVAL_ERROR;
        return;
    }
    memcpy(output_buffer, input_buffer, BLOCK_BYTES);
    *used_size_of_output_buffer = BLOCK_BYTES;
    *error_code = NARVAL_OK;
}
