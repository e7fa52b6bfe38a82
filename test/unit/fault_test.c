/* fault_test.c: the catalogue of CONTRACT section 2, complete and without contradiction. */
#include "unit.h"

#include "../../lib/base/fault.h"
#include "../../lib/base/text.h"

/* The contract's table: a row per code and status. */
static const struct {
	const char *code;
	int status;
} contract[] = {
	{ "Sandbox.InvalidParameter", 400 },
	{ "Sandbox.InvalidParameter", 422 },
	{ "Sandbox.Unauthorized", 401 },
	{ "Sandbox.Forbidden", 403 },
	{ "Sandbox.NotFound", 404 },
	{ "Sandbox.MethodNotAllowed", 405 },
	{ "Sandbox.SessionNotFound", 404 },
	{ "Sandbox.SessionGone", 404 },
	{ "Sandbox.ExecutionNotFound", 404 },
	{ "Sandbox.TemplateNotFound", 404 },
	{ "Sandbox.FileNotFound", 404 },
	{ "Sandbox.ContainerNotFound", 404 },
	{ "Sandbox.RuntimeNotFound", 404 },
	{ "Sandbox.ExecTimeout", 408 },
	{ "Sandbox.ExecTimeout", 504 },
	{ "Sandbox.Conflict", 409 },
	{ "Sandbox.SessionNotActive", 409 },
	{ "Sandbox.TemplateInUse", 409 },
	{ "Sandbox.IdempotencyConflict", 409 },
	{ "Sandbox.IdempotencyConflict", 422 },
	{ "Sandbox.PreconditionFailed", 412 },
	{ "Sandbox.PayloadTooLarge", 413 },
	{ "Sandbox.QuotaExceeded", 413 },
	{ "Sandbox.UnsupportedMediaType", 415 },
	{ "Sandbox.RangeNotSatisfiable", 416 },
	{ "Sandbox.TooManyRequestsExecution", 429 },
	{ "Sandbox.RateLimited", 429 },
	{ "Sandbox.ExecException", 500 },
	{ "Sandbox.InternalError", 500 },
	{ "Sandbox.RuntimeBusy", 503 },
	{ "Sandbox.RuntimeUnavailable", 503 },
	{ "Sandbox.StorageUnavailable", 503 },
	{ "Sandbox.DatabaseUnavailable", 503 },
	{ "Sandbox.IsolationUnavailable", 503 },
	{ "Internal.Unauthorized", 401 },
	{ "Internal.Forbidden", 403 },
	{ "Internal.InvalidParameter", 400 },
	{ "Internal.InvalidParameter", 422 },
	{ "Internal.InvalidExecution", 404 },
	{ "Internal.StateConflict", 409 },
	{ "Internal.InternalError", 500 },
	{ "Executor.Unauthorized", 401 },
	{ "Executor.ExecutionNotFound", 404 },
	{ "Executor.StateConflict", 409 },
	{ "Executor.ValidationError", 400 },
	{ "Executor.DependencyInstallError", 422 },
	{ "Executor.InternalError", 500 },
	{ "Executor.SessionConfigSyncError", 500 },
	{ "Executor.QueueFull", 503 },
	{ "Executor.IsolationUnavailable", 503 },
};

/* The codes marked + that are retryable in every case; two more are in one case only. */
static const char *const retryable[] = {
	"Sandbox.ExecTimeout",         "Sandbox.TooManyRequestsExecution",
	"Sandbox.RateLimited",         "Sandbox.ExecException",
	"Sandbox.InternalError",       "Sandbox.RuntimeBusy",
	"Sandbox.RuntimeUnavailable",  "Sandbox.StorageUnavailable",
	"Sandbox.DatabaseUnavailable", "Internal.InternalError",
	"Executor.InternalError",      "Executor.SessionConfigSyncError",
	"Executor.QueueFull",
};

static void every_code_of_the_contract_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(contract); i++) {
		int found = 0;

		for (int id = 0; id < FAULT__MAX; id++)
			found += fault_infos[id].status == contract[i].status &&
				 !strcmp(fault_infos[id].code, contract[i].code);
		/* Conflict has two rows of one status: final, and worth another try. */
		CHECK_ROW(found == (str_eq(contract[i].code, "Sandbox.Conflict") ? 2 : 1), i,
			  contract[i].code);
	}
}

static void no_other_code_is_there(void **state)
{
	(void)state;
	for (int id = 0; id < FAULT__MAX; id++) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_LEN(contract); i++)
			found |= fault_infos[id].status == contract[i].status &&
				 !strcmp(fault_infos[id].code, contract[i].code);
		CHECK_ROW(found, id, fault_infos[id].code);
	}
}

static void what_may_be_tried_again(void **state)
{
	(void)state;
	for (int id = 0; id < FAULT__MAX; id++) {
		bool want = id == FAULT_CONFLICT_RETRY || id == FAULT_IDEMPOTENCY_RUNNING;

		for (size_t i = 0; i < ARRAY_LEN(retryable); i++)
			want |= !strcmp(fault_infos[id].code, retryable[i]);
		CHECK_ROW(fault_infos[id].retryable == want, id, fault_infos[id].code);
	}
}

static void texts_are_for_people(void **state)
{
	(void)state;
	for (int id = 0; id < FAULT__MAX; id++) {
		const char *texts[] = { fault_infos[id].description, fault_infos[id].solution };

		for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
			size_t n = strlen(texts[i]);

			CHECK_ROW(n > 5 && n < 100 && texts[i][n - 1] != '.', id,
				  fault_infos[id].code);
			CHECK_ROW(texts[i][0] >= 'A' && texts[i][0] <= 'Z', id, texts[i]);
			CHECK_ROW(!strpbrk(texts[i], "\"\\\n"), id, texts[i]);
		}
	}
}

static void setting_a_fault_forgets_the_old_one(void **state)
{
	struct fault f;

	(void)state;
	memset(&f, 0x55, sizeof(f));
	assert_int_equal(fault_set(&f, FAULT_BUSY, "%s %d", "node", 7), -1);
	assert_true(fault_is(&f, FAULT_BUSY) && !fault_is(&f, FAULT_INTERNAL));
	assert_string_equal(f.detail, "node 7");
	assert_true(!f.detail_json && !f.errors_json && !f.session_id && !f.execution_id &&
		    !f.allow);
	assert_true(f.retry_after_s == 0 && f.size == 0);
}

static void a_long_detail_is_cut_at_a_character(void **state)
{
	struct fault f;
	char text[800];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[sizeof(text) - 2] = '\0';
	for (int shift = 0; shift < 2; shift++) {
		fault_set(&f, FAULT_INTERNAL, "%.*s%s", shift, "x", text);
		assert_true(strlen(f.detail) >= sizeof(f.detail) - 2 &&
			    text_utf8_ok(f.detail, strlen(f.detail)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_of_the_contract_is_there),
		cmocka_unit_test(no_other_code_is_there),
		cmocka_unit_test(what_may_be_tried_again),
		cmocka_unit_test(texts_are_for_people),
		cmocka_unit_test(setting_a_fault_forgets_the_old_one),
		cmocka_unit_test(a_long_detail_is_cut_at_a_character),
	};

	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
