"""The orders, as the orders service stores them. It owns the table; the backoffice reads and corrects rows."""

from django.db import models


class Order(models.Model):
    id = models.BigAutoField(primary_key=True)
    customer = models.TextField()
    item = models.TextField()
    quantity = models.IntegerField()

    class Meta:
        managed = False
        db_table = "orders"
        ordering = ("-id",)
