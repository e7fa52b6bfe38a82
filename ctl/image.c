/* image.c: sandboxctl image: root file systems for the runtime oci (CONTRACT 12.1 [runtime] image_root). */
#include "../lib/rt/image.h"

#include <stdio.h>

#include "ctl.h"

int ctl_image_import(struct ctl *c)
{
	struct fault f = { 0 };

	if (image_import(&c->cf, c->args[0], c->args[1], &f) < 0)
		return ctl_fault(&f);
	printf("%s is there.\n", c->args[0]);
	return ctl_done();
}

int ctl_image_alias(struct ctl *c)
{
	struct fault f = { 0 };

	if (image_alias(&c->cf, c->args[0], c->args[1], &f) < 0)
		return ctl_fault(&f);
	printf("%s is %s.\n", c->args[0], c->args[1]);
	return ctl_done();
}

int ctl_image_list(struct ctl *c)
{
	const char *names = image_names(&c->cf, c->a);
	AUTO_JSON struct json_object *list = names ? json_tokener_parse(names) : NULL;

	if (!list)
		return ctl_fail(CTL_FAILED, "out of memory");
	if (c->json)
		return ctl_json(json_object_get(list));
	for (size_t i = 0; i < json_object_array_length(list); i++)
		puts(json_object_get_string(json_object_array_get_idx(list, i)));
	return ctl_done();
}
