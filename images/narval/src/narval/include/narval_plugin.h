/* The interface between NARVAL's generic actors and a plugin: a shared library.
 *
 * A plugin is a producer, a filter or a consumer; the three differ in process_block alone. Define
 * NARVAL_PRODUCER, NARVAL_FILTER or NARVAL_CONSUMER before including this file, and the compiler
 * checks your functions against it:
 *
 *     #define NARVAL_PRODUCER
 *     #include "narval_plugin.h"
 *
 *     gcc -shared -fPIC -Wall -I$(narval include) -o libproduce.so produce.c
 *
 * process_config, process_register and process_block must be there. The others are called if they
 * are. Write 0 to *error_code for success; anything else stops the actor, and the value is logged.
 */
#ifndef NARVAL_PLUGIN_H
#define NARVAL_PLUGIN_H

#ifdef __cplusplus
extern "C" {
#endif

#define NARVAL_OK 0
#define NARVAL_ERROR 1
#define NARVAL_END_OF_DATA 66 /* by GRU's convention: no error, there is no more */

/* What you keep for one actor. One library may serve several actors: keep nothing in globals. */
struct my_struct;

/* Once for each library. directory_path is the actor's argument algo_path. */
void process_config(char *directory_path, unsigned int *error_code);

/* Once for each actor; what you return is handed to all functions below. */
struct my_struct *process_register(unsigned int *error_code);

/* Again and again while the sub-system runs. */
#if defined(NARVAL_PRODUCER)
/* Set *used_size_of_output_buffer to 0 when there is nothing; keep what does not fit. */
void process_block(struct my_struct *algo_data, void *output_buffer,
                   unsigned int size_of_output_buffer, unsigned int *used_size_of_output_buffer,
                   unsigned int *error_code);
#elif defined(NARVAL_FILTER)
void process_block(struct my_struct *algo_data, void *input_buffer,
                   unsigned int size_of_input_buffer, void *output_buffer,
                   unsigned int size_of_output_buffer, unsigned int *used_size_of_output_buffer,
                   unsigned int *error_code);
#elif defined(NARVAL_CONSUMER)
void process_block(struct my_struct *algo_data, void *input_buffer,
                   unsigned int size_of_input_buffer, unsigned int *error_code);
#endif

void process_initialise(struct my_struct *algo_data, unsigned int *error_code);
void process_start(struct my_struct *algo_data, unsigned int *error_code);
void process_stop(struct my_struct *algo_data, unsigned int *error_code);
void process_pause(struct my_struct *algo_data, unsigned int *error_code);
void process_resume(struct my_struct *algo_data, unsigned int *error_code);
void process_reset(struct my_struct *algo_data, unsigned int *error_code);
void process_unload(struct my_struct *algo_data, unsigned int *error_code);

#ifdef __cplusplus
}
#endif

#endif
