"""Which page is where."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.orders, name="orders"),
    path("orders/<int:order_id>/", views.order, name="order"),
]
